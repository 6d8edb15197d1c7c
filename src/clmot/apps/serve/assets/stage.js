"use strict";
// The canvas: the picture of a frame and its boxes, drawn together; zoom, and boxes that are moved and drawn by hand.

const stage = (() => {
  const HANDLE = 6;
  const NEAREST = 10;

  /**
   * `on` has select(track or null), moved(track, box), drawn(box), zoomed(zoom), and under(frame), which draws below boxes.
   */
  function create(canvas, on) {
    const context = canvas.getContext("2d");
    const now = { picture: null, index: -1, number: null, boxes: [], size: [1, 1] };
    const view = { zoom: 1, x: 0.5, y: 0.5 };
    let [selected, hover, colours, names] = [null, null, [], new Map()];
    let editing = null; // the box that is moved: {track, box, drag}
    let drawing = null; // the corner where a new box begins, or true before that
    let panning = null;
    let tracing = null; // who is told of corners that are set: {down(at), move(at), up(at), draw(frame)}

    const colour = (track) => colours[(((track - 1) % colours.length) + colours.length) % colours.length] || "#888";

    /** Pixels of the canvas for a pixel of the picture, and where its corner lies. */
    function frame() {
      const [width, height] = now.size;
      const scale = Math.min(canvas.width / width, canvas.height / height) * view.zoom;
      return { scale, left: canvas.width / 2 - view.x * width * scale, top: canvas.height / 2 - view.y * height * scale };
    }

    function fit() {
      const ratio = window.devicePixelRatio || 1;
      const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
      if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    }

    function draw() {
      fit();
      const { scale, left, top } = frame();
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.fillStyle = "#101214";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.imageSmoothingEnabled = scale < 3;
      if (now.picture) context.drawImage(now.picture, left, top, now.size[0] * scale, now.size[1] * scale);
      const ratio = window.devicePixelRatio || 1;
      const place = { context, ratio, tag, at: ([x, y]) => [x * scale + left, y * scale + top] };
      on.under(place);
      const boxes = (now.boxes || []).filter((each) => !editing || each.track !== editing.track);
      const rank = (each) => (each.track === selected ? 2 : each.track === hover ? 1 : 0);
      boxes.sort((a, b) => rank(a) - rank(b));
      for (const each of boxes) outline(each, scale, left, top, ratio, boxes.length);
      if (editing) outline({ ...editing, key: true }, scale, left, top, ratio, 1);
      tracing?.draw(place);
      canvas.dataset.frame = now.number ?? "";
      canvas.dataset.boxes = now.boxes ? now.boxes.length : "";
    }

    function outline(each, scale, left, top, ratio, count) {
      const [x, y, right, bottom] = each.box.map((side, place) => side * scale + (place % 2 ? top : left));
      if (right < 0 || bottom < 0 || x > canvas.width || y > canvas.height) return;
      const strong = each.track === selected;
      const paint = colour(each.track);
      if (strong || each.track === hover) stroke("#000", 6 * ratio, x, y, right - x, bottom - y);
      stroke(paint, (strong ? 3.5 : 2) * ratio, x, y, right - x, bottom - y);
      if (each.key) {
        context.fillStyle = paint;
        context.fillRect(right - 7 * ratio, bottom - 7 * ratio, 7 * ratio, 7 * ratio);
      }
      if (editing && each.track === editing.track) {
        for (const [hx, hy] of handles([x, y, right, bottom])) {
          context.fillStyle = "#fff";
          context.fillRect(hx - HANDLE * ratio / 2, hy - HANDLE * ratio / 2, HANDLE * ratio, HANDLE * ratio);
          stroke("#000", ratio, hx - HANDLE * ratio / 2, hy - HANDLE * ratio / 2, HANDLE * ratio, HANDLE * ratio);
        }
      }
      const size = (strong ? 14 : count > 60 ? 10 : 12) * ratio;
      if (!strong && each.track !== hover && bottom - y < 1.2 * size) return;
      const named = names.get(each.track);
      tag((each.track || "new") + (named && strong ? ` ${named.slice(0, 24)}` : ""), size, x, y, paint);
    }

    function tag(text, size, x, y, paint) {
      context.font = `600 ${size}px system-ui, sans-serif`;
      const [wide, tall] = [context.measureText(text).width + 0.6 * size, 1.25 * size];
      const lx = Math.min(Math.max(x, 0), Math.max(canvas.width - wide, 0));
      const ly = y - tall < 0 ? y : y - tall;
      context.fillStyle = "#000c";
      context.fillRect(lx, ly, wide, tall);
      context.fillStyle = paint;
      context.fillRect(lx, ly, 0.2 * size, tall);
      context.fillStyle = "#fff";
      context.textBaseline = "middle";
      context.fillText(text, lx + 0.4 * size, ly + tall / 2);
    }

    function stroke(paint, width, x, y, wide, tall) {
      context.strokeStyle = paint;
      context.lineWidth = width;
      context.strokeRect(x, y, wide, tall);
    }

    const handles = ([x, y, right, bottom]) => [[x, y], [right, y], [right, bottom], [x, bottom]];

    /** Where the pointer is in the picture. */
    function point(event) {
      const area = canvas.getBoundingClientRect();
      const { scale, left, top } = frame();
      const ratio = canvas.width / area.width;
      return [((event.clientX - area.left) * ratio - left) / scale, ((event.clientY - area.top) * ratio - top) / scale];
    }

    /** The smallest box under a point. */
    function pick([x, y]) {
      const under = (now.boxes || []).filter(({ box }) => x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3]);
      const area = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
      return under.sort((a, b) => area(a) - area(b))[0]?.track ?? null;
    }

    function show(index, number, picture, size, boxes) {
      Object.assign(now, { index, number, picture, size, boxes });
      if (editing && editing.number !== number) editing = null;
      draw();
    }

    function zoom(to, around = null) {
      const before = around || [view.x * now.size[0], view.y * now.size[1]];
      const share = view.zoom / Math.min(Math.max(to, 1), 20);
      view.zoom = Math.min(Math.max(to, 1), 20);
      view.x = before[0] / now.size[0] + (view.x - before[0] / now.size[0]) * share;
      view.y = before[1] / now.size[1] + (view.y - before[1] / now.size[1]) * share;
      keep();
      draw();
      return view.zoom;
    }

    function keep() {
      const room = 0.5 / view.zoom;
      [view.x, view.y] = [view.x, view.y].map((each) => Math.min(Math.max(each, room), 1 - room));
    }

    function begin(track) {
      const found = now.boxes?.find((each) => each.track === track);
      const [width, height] = now.size;
      const size = now.boxes?.[0]?.box || [0, 0, width / 10, height / 5];
      const [wide, tall] = [size[2] - size[0], size[3] - size[1]];
      const middle = [view.x * width - wide / 2, view.y * height - tall / 2];
      const box = found ? [...found.box] : [...middle, middle[0] + wide, middle[1] + tall];
      drawing = null;
      canvas.style.touchAction = "none"; // a finger moves the box, not the page
      editing = { track, box, number: now.number, drag: null };
      draw();
    }

    function nudge(x, y, size) {
      if (!editing) return;
      const { box } = editing;
      if (!size) { box[0] += x; box[1] += y; }
      box[2] = Math.max(box[2] + x, box[0] + 1);
      box[3] = Math.max(box[3] + y, box[1] + 1);
      draw();
    }

    function commit() {
      if (!editing) return;
      const { track, box } = editing;
      editing = null;
      on.moved(track, tidy(box));
    }

    const tidy = ([a, b, c, d]) => [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)]
      .map((side) => Math.round(side * 100) / 100);

    canvas.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      const at = point(event);
      canvas.setPointerCapture(event.pointerId);
      if (tracing) {
        tracing.down(at);
      } else if (drawing) {
        drawing = { from: at, to: at };
      } else if (editing) {
        const near = (NEAREST * (window.devicePixelRatio || 1)) / frame().scale;
        const corner = handles(editing.box).findIndex(([x, y]) => Math.hypot(x - at[0], y - at[1]) < near);
        const inside = at[0] > editing.box[0] && at[0] < editing.box[2] && at[1] > editing.box[1] && at[1] < editing.box[3];
        if (corner >= 0 || inside) editing.drag = { at, corner, box: [...editing.box] };
      } else {
        panning = { x: event.clientX, y: event.clientY, moved: false, at };
      }
    });

    canvas.addEventListener("pointermove", (event) => {
      const at = point(event);
      if (tracing) {
        tracing.move(at);
      } else if (drawing?.from) {
        drawing.to = at;
        draw();
        const { scale, left, top } = frame();
        const [x, y, right, bottom] = tidy([...drawing.from, ...at]).map((side, place) => side * scale + (place % 2 ? top : left));
        stroke("#fff", 2 * (window.devicePixelRatio || 1), x, y, right - x, bottom - y);
      } else if (editing?.drag) {
        const [dx, dy] = [at[0] - editing.drag.at[0], at[1] - editing.drag.at[1]];
        const [a, b, c, d] = editing.drag.box;
        const { corner } = editing.drag;
        editing.box = corner < 0 ? [a + dx, b + dy, c + dx, d + dy]
          : [a + dx * (corner === 0 || corner === 3), b + dy * (corner < 2), c + dx * (corner === 1 || corner === 2),
            d + dy * (corner > 1)];
        draw();
      } else if (panning) {
        const [dx, dy] = [event.clientX - panning.x, event.clientY - panning.y];
        if (Math.hypot(dx, dy) > 4) panning.moved = true;
        if (panning.moved && view.zoom > 1) {
          const ratio = (canvas.width / canvas.clientWidth) / frame().scale;
          view.x -= (dx * ratio) / now.size[0];
          view.y -= (dy * ratio) / now.size[1];
          [panning.x, panning.y] = [event.clientX, event.clientY];
          keep();
          draw();
        }
      } else {
        const found = pick(at);
        canvas.style.cursor = drawing ? "crosshair" : editing ? "move" : found === null ? "default" : "pointer";
        if (found !== hover) { hover = found; draw(); }
      }
    });

    canvas.addEventListener("pointerup", (event) => {
      const at = point(event);
      if (tracing) {
        tracing.up(at);
      } else if (drawing?.from) {
        const box = tidy([...drawing.from, ...at]);
        drawing = null;
        if (box[2] - box[0] >= 2 && box[3] - box[1] >= 2) on.drawn(box); else on.drawn(null);
      } else if (editing?.drag) {
        const changed = editing.box.some((side, place) => side !== editing.drag.box[place]);
        editing.drag = null;
        if (changed) commit();
      } else if (panning && !panning.moved) {
        on.select(pick(panning.at));
      }
      panning = null;
    });
    canvas.addEventListener("pointerleave", () => { if (hover !== null) { hover = null; draw(); } });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && view.zoom === 1) return; // the page scrolls, unless one has zoomed in
      event.preventDefault();
      on.zoomed(zoom(view.zoom * Math.exp(-event.deltaY / 300), point(event)));
    }, { passive: false });
    new ResizeObserver(() => draw()).observe(canvas);

    return {
      canvas, show, draw, zoom, begin, nudge, commit, now, view,
      boxes(boxes) { now.boxes = boxes; draw(); },
      select(track) { selected = track; draw(); },
      highlight(track) { hover = track; draw(); },
      palette(list, named) { [colours, names] = [list, named]; },
      cancel() { [editing, drawing, tracing] = [null, null, null]; Object.assign(canvas.style, { cursor: "", touchAction: "" }); draw(); },
      trace(told) { tracing = told; Object.assign(canvas.style, { cursor: "crosshair", touchAction: "none" }); draw(); },
      startDrawing() { drawing = true; Object.assign(canvas.style, { cursor: "crosshair", touchAction: "none" }); },
      get editing() { return editing; },
      get tracing() { return tracing; },
    };
  }

  return { create };
})();
