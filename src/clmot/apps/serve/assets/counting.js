"use strict";
// Lines and zones: drawn over the picture corner by corner, and what is counted there up to the frame that is shown.

/** `edit(change)` makes an edit, `waiting` are the modes, `now()` is the state of the page. */
function counting({ screen, waiting, edit, tried, now }) {
  const { el, fill, foreign, plural } = view;
  const NEAR = 9;
  const node = document.getElementById("counts");
  let [shapes, counted, key, lines] = [[], null, "", []];

  const { upTo } = player.Frames;
  const isLine = (points) => points.length === 2;
  const kindOf = (points) => (isLine(points) ? "line" : "zone");
  // as of the picture that clmot count writes: zones first
  const colour = (name) => {
    const ordered = [...shapes].sort((a, b) => isLine(a[1]) - isLine(b[1]));
    const { colours } = now().session;
    return colours[ordered.findIndex((each) => each[0] === name) % colours.length];
  };

  /** To the right and to the left so far; or visits so far and who is inside. */
  function numbers(name, points) {
    const events = counted?.events[name];
    if (!events) return null;
    const frame = screen.now.number ?? 0;
    const begun = upTo(events[0], frame);
    return isLine(points) ? [begun, upTo(events[1], frame)] : [begun, begun - upTo(events[1], frame - 1)];
  }

  function path(context, corners, close) {
    context.beginPath();
    corners.forEach(([x, y], at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
    if (close) context.closePath();
  }

  function strokes(context, paint, ratio) {
    for (const [style, width] of [["#000", 5], [paint, 2.5]]) {
      [context.strokeStyle, context.lineWidth] = [style, width * ratio];
      context.stroke();
    }
  }

  /** All shapes over the picture, with their numbers. */
  function draw({ context, ratio, tag, at }) {
    for (const [name, points] of shapes) {
      const [corners, paint, told] = [points.map(at), colour(name), numbers(name, points)];
      const size = 12 * ratio;
      path(context, corners, !isLine(points));
      if (!isLine(points)) {
        context.fillStyle = `color-mix(in srgb, ${paint} 18%, transparent)`;
        context.fill();
        strokes(context, paint, ratio);
        const [x, y] = [Math.min(...corners.map((each) => each[0])), Math.min(...corners.map((each) => each[1]))];
        tag(`${name.slice(0, 24)}${told ? `: ${told[1]} inside` : ""}`, size, x, y, paint);
        continue;
      }
      strokes(context, paint, ratio);
      const [[x1, y1], [x2, y2]] = corners;
      const long = Math.hypot(x2 - x1, y2 - y1) || 1;
      const [dx, dy] = [-(y2 - y1) / long, (x2 - x1) / long]; // to the right of who looks along it
      const [mx, my, reach] = [(x1 + x2) / 2, (y1 + y2) / 2, 22 * ratio];
      const tip = [mx + dx * reach, my + dy * reach];
      path(context, [[mx, my], tip, [tip[0] - (dx + dy) * 7 * ratio, tip[1] - (dy - dx) * 7 * ratio], tip,
        [tip[0] - (dx - dy) * 7 * ratio, tip[1] - (dy + dx) * 7 * ratio]], false);
      strokes(context, paint, ratio);
      tag(name.slice(0, 24), size, x1, y1, paint);
      if (!told) continue;
      for (const [count, away] of [[told[0], 1.8 * reach], [told[1], -1.2 * reach]]) {
        tag(String(count), size, mx + dx * away - (0.3 * String(count).length + 0.3) * size, my + dy * away + 0.62 * size, paint);
      }
    }
  }

  // ---- a new one, corner by corner

  function trace(kind) {
    const taken = new Set(shapes.map((each) => each[0]));
    let number = 1;
    while (taken.has(`${kind} ${number}`)) number += 1;
    const [width, height] = screen.now.size;
    const made = { points: [], at: [screen.view.x * width, screen.view.y * height], down: null };
    const scale = () => (screen.canvas.width / screen.canvas.clientWidth || 1);
    let apart = 1; // picture's pixels within which two places are one
    const same = (one, two) => Math.hypot(one[0] - two[0], one[1] - two[1]) <= apart;

    function done() {
      if (made.points.length < (kind === "line" ? 2 : 3)) return;
      const points = made.points.map((each) => each.map((side) => Math.round(side * 10) / 10));
      waiting.leave();
      edit({ do: "shape", name: `${kind} ${number}`, points });
    }

    function corner(at) {
      const { points } = made;
      if (points.length && (same(at, points.at(-1)) || (points.length > 2 && same(at, points[0])))) { done(); return; }
      points.push(at);
      made.at = at;
      if (kind === "line" && points.length === 2) done(); else screen.draw();
    }

    waiting.enter("trace", kind === "line" ? "New line: click where it begins and ends, or drag; "
      : "New zone: click its corners, the first one again ends it; ", "or arrows and Enter", kind === "line" ? ". " : ", Enter again ends it. ",
    kind === "zone" ? el("button", { type: "button", onclick: done }, "Done") : null, " ", waiting.cancel());
    screen.trace({
      down: (at) => { made.down = at; corner(at); },
      move: (at) => { made.at = at; screen.draw(); },
      up: (at) => { if (made.down && !same(at, made.down) && screen.tracing) corner(at); made.down = null; },
      key(pressed, step) {
        if (step) made.at = made.at.map((each, side) => each + step[side]);
        else if (pressed === "Enter") { apart = 0.5; corner([...made.at]); }
        else if (pressed === "Backspace") made.points.pop();
        else return false;
        screen.draw();
        return true;
      },
      draw({ context, ratio, at }) {
        const [origin, one] = [at([0, 0]), at([1, 0])];
        apart = (NEAR * scale()) / Math.abs(one[0] - origin[0]);
        path(context, [...made.points, made.at].map(at), false);
        strokes(context, "#fff", ratio);
        for (const place of [...made.points, made.at]) {
          context.beginPath();
          context.arc(...at(place), 4 * ratio, 0, 7);
          context.fillStyle = "#fff";
          context.fill();
          strokes(context, "#fff", ratio / 2);
        }
      },
    });
    screen.canvas.scrollIntoView({ block: "nearest" });
  }

  // ---- the list

  const kinds = (counts) => {
    const named = Object.entries(counts).filter(([name]) => name !== "all");
    return named.length > 1 ? ` (${named.map(([name, count]) => `${count} ${name}`).join(", ")})` : "";
  };

  const long = (seconds) => (seconds === null ? "–" : `${seconds.toFixed(1)} s`);

  function facts(name, points) {
    const so = numbers(name, points);
    if (!so) return "counting …";
    if (isLine(points)) {
      const ways = counted.lines[name];
      return Object.entries(ways).sort().reverse().map(([way, counts], at) => `${way} ${so[at]} of ${counts.all}${kinds(counts)}`).join("; ");
    }
    const all = counted.zones[name];
    return `${so[1]} inside, at most ${all["most at once"]}; ${so[0]} of ${plural(all.visits.all, "visit")}${kinds(all.visits)}; ` +
      `stay ${long(all["mean dwell"])} on average, ${long(all["longest dwell"])} longest`;
  }

  function list(session) {
    lines = [];
    fill(node, el("div", { class: "bar" }, el("h2", {}, "Counting"),
      el("button", { type: "button", title: "New line (l)", "aria-keyshortcuts": "l", onclick: () => trace("line") }, "New line"),
      el("button", { type: "button", title: "New zone (z)", "aria-keyshortcuts": "z", onclick: () => trace("zone") }, "New zone")),
    shapes.length ? el("ul", { class: "shapes" }, shapes.map(([name, points]) => {
      const told = el("p", { class: "faint" });
      lines.push([told, name, points]);
      return el("li", {}, el("div", { class: "fields" },
        el("span", { class: "swatch", style: { background: colour(name) } }),
        el("input", { type: "text", value: name, maxlength: "300", autocomplete: "off", "aria-label": `Name of the ${kindOf(points)}`,
          onchange: ({ target }) => edit({ do: "shape", name: target.value, points, before: name }).then(() => { target.value = name; }) }),
        el("button", { type: "button", "aria-label": `Delete the ${kindOf(points)} ${name}`, onclick: () => edit({ do: "shape", name }) }, "✕")), told);
    })) : el("p", { class: "empty" }, "Draw a line to count who crosses it, or a zone to count who is in it."),
    shapes.length ? el("p", { class: "faint saved" }, "Saved in ", foreign(session.plan), ", which clmot count and clmot evaluate take.") : null);
  }

  function told() { for (const [place, name, points] of lines) place.textContent = facts(name, points); }

  const ask = tried(async (asked) => {
    const answer = await link.api("/api/counts");
    if (!answer || asked !== key) return;
    counted = answer;
    screen.draw();
    told();
  });

  /** What is open now, or has been changed. */
  function show(session) {
    if (session.live) { [shapes, counted, key] = [[], null, ""]; return; }
    const same = JSON.stringify(shapes) === JSON.stringify(session.shapes);
    shapes = session.shapes;
    if (!same || !lines.length) list(session);
    const wanted = `${session.file} ${session.revision}`;
    if (wanted !== key) {
      key = wanted;
      if (!shapes.every(([name]) => counted?.events[name])) counted = null;
      if (shapes.length) ask(wanted);
    }
    screen.draw();
    told();
  }

  return { draw, trace, show, told };
}
