"use strict";
// Parts of a page about tracks. Everything that comes from a file enters the page as text, never as HTML.

const view = (() => {
  /** An element: attributes by name (`on...` are listeners, `style` an object), then children: elements or text. */
  function el(name, attributes = {}, ...children) {
    const svg = ["svg", "rect", "text", "title"].includes(name) && attributes.svg;
    const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "svg" || value === undefined || value === null || value === false) continue;
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (key === "style") Object.assign(made.style, value);
      else made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...present(children));
    return made;
  }

  const present = (children) => children.flat().filter((child) => child !== null && child !== undefined);

  /** Other children in place of those that are there. */
  const fill = (node, ...children) => node.replaceChildren(...present(children));

  /** Text from a file, whose direction is its own and turns nothing around it. */
  const foreign = (text) => el("bdi", {}, text);

  const plural = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many || `${one}s`}`;

  /** Seconds as 0:07.2 or 1:02:03. */
  function clock(seconds) {
    const whole = Math.floor(seconds);
    const two = (number) => String(number).padStart(2, "0");
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    if (hours) return `${hours}:${two(minutes)}:${two(whole % 60)}`;
    return `${minutes}:${two(whole % 60)}.${Math.floor((seconds - whole) * 10)}`;
  }

  const number = (value, digits = 2) => (value === null ? "–" : value.toFixed(digits));

  function chip(track) {
    return el("span", { class: "chip" },
      el("span", { class: "swatch", style: { background: track.colour } }), `${track.id}`);
  }

  function tile(name, value, title) {
    return el("li", { title }, el("b", {}, value), el("span", {}, name));
  }

  /** Marks at round times, about so many. */
  function ticks(seconds, most = 8) {
    const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200];
    const step = steps.find((each) => seconds / each <= most) || 14400;
    return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step);
  }

  /**
   * The lives of tracks, a row each, with gaps, confidence (how solid the colour is) and events.
   * `choose(track)` is called with a track that is clicked, and with null when it is clicked again.
   */
  function timeline(data, choose) {
    const [first, last] = [data.first, data.last];
    const span = Math.max(last - first + 1, 1);
    const at = (frame) => `${(100 * (frame - first)) / span}%`;
    const wide = (from, to) => `${(100 * (to - from + 1)) / span}%`;
    const events = new Map(data.tracks.map((track) => [track.id, []]));
    for (const event of data.events) for (const id of event.tracks) events.get(id)?.push(event);
    let chosen = null;

    function lane(track) {
      const mine = events.get(track.id);
      const life = el("span", { class: "life" });
      track.segments.forEach(([from, to, solid], index) => {
        if (index) {
          const end = track.segments[index - 1][1];
          life.append(el("em", { style: { left: at(end + 1), width: wide(end + 1, from - 1) } }));
        }
        const stops = solid.map((share, place) =>
          `color-mix(in srgb, ${track.colour} ${share}%, transparent) ${(100 * (place + 0.5)) / solid.length}%`);
        const paint = solid.length > 1 ? `linear-gradient(to right, ${stops.join(", ")})`
          : `color-mix(in srgb, ${track.colour} ${solid[0]}%, transparent)`;
        life.append(el("i", { style: { left: at(from), width: wide(from, to), background: paint,
          boxShadow: `inset 0 0 0 1px ${track.colour}` } }));
      });
      for (const event of mine) {
        life.append(el("b", { class: event.kind, style: { left: at(event.frame) }, title: event.name }));
      }
      const gaps = track.segments.length - 1;
      const told = `track ${track.id}, ${track.class}, ${clock(track.start)} to ${clock(track.end)}, ` +
        `${plural(gaps, "gap")}, ${plural(mine.length, "event")}`;
      const row = el("button", { class: "lane", type: "button", "aria-pressed": "false", "aria-label": told,
        title: told, onclick: () => select(chosen === track.id ? null : track.id) },
      el("span", {}, chip(track), data.classes.length > 1 ? el("small", {}, foreign(track.class)) : null), life);
      row.dataset.track = track.id;
      return row;
    }

    const rows = new Map(data.tracks.map((track) => [track.id, lane(track)]));
    const axis = el("div", {});
    /** As many marks as the axis has room for, which changes with zoom and window. */
    function rule() {
      const room = Math.max(2, Math.floor((axis.clientWidth || 800) / 90));
      const shown = ticks(span / data.rate, room).filter((each) => each * data.rate < 0.95 * span);
      axis.replaceChildren(...shown.map((second) => el("i", { style: { left: `${(100 * second * data.rate) / span}%` } },
        clock(second + (first - 1) / data.rate))));
    }
    new ResizeObserver(rule).observe(axis);
    const body = el("div", {});
    const lanes = el("div", { class: "lanes" }, el("div", { class: "axis" }, el("span"), axis), body);
    const box = el("div", { class: "timeline", tabindex: "0", role: "region", "aria-label": "Timeline of tracks" }, lanes);

    const search = el("input", { type: "search", size: "8", placeholder: "id", "aria-label": "Track id", oninput: show });
    const kinds = el("select", { "aria-label": "Class", onchange: show }, el("option", { value: "" }, "all classes"),
      data.classes.map((name) => el("option", { value: name }, name)));
    const order = el("select", { "aria-label": "Order", onchange: show },
      [["start", "by start"], ["id", "by id"], ["length", "longest first"], ["events", "most events first"]]
        .map(([value, text]) => el("option", { value }, text)));
    const eventful = el("input", { type: "checkbox", onchange: show });
    const zoom = el("input", { type: "range", min: "1", max: "20", value: "1", step: "0.5", "aria-label": "Zoom",
      oninput: () => { lanes.style.width = `${100 * zoom.value}%`; } });
    const shown = el("span", { class: "faint", role: "status" });

    function show() {
      const by = { start: (t) => t.first, id: (t) => t.id, length: (t) => -t.boxes, events: (t) => -events.get(t.id).length };
      const list = data.tracks.filter((track) => (!search.value || String(track.id) === search.value.trim()) &&
        (!kinds.value || track.class === kinds.value) && (!eventful.checked || events.get(track.id).length));
      list.sort((a, b) => by[order.value](a) - by[order.value](b) || a.id - b.id);
      body.replaceChildren(...list.map((track) => rows.get(track.id)));
      if (!list.length) body.append(el("p", { class: "empty" }, "No track is like that."));
      shown.textContent = `${list.length} of ${plural(data.tracks.length, "track")}`;
    }

    function mark(id) {
      chosen = id;
      for (const [each, row] of rows) row.setAttribute("aria-pressed", String(each === id));
    }

    function select(id) {
      mark(id);
      choose(id);
    }

    show();
    const controls = el("div", { class: "bar" }, el("h2", {}, "Timeline"), shown, search,
      data.classes.length > 1 ? kinds : null, order, el("label", {}, eventful, "with events"),
      el("label", {}, "zoom", zoom));
    const kindsThere = new Map(data.events.map((event) => [event.kind, event.name]));
    const legend = kindsThere.size ? el("p", { class: "legend faint" }, [...kindsThere].map(([kind, name]) =>
      el("span", {}, el("span", { class: "life" }, el("b", { class: kind })), name))) : null;
    return { node: el("section", { class: "panel" }, controls, box, legend), select, mark };
  }

  /** A frame with boxes over it; those of the event are drawn strongly, and named. */
  function frame(shot, event, tracks, size, caption) {
    const own = new Set(event.tracks);
    const scale = size[0] / 100;
    const boxes = el("svg", { svg: true, viewBox: `0 0 ${size[0]} ${size[1]}`, "aria-hidden": "true" });
    const sorted = [...shot.boxes].sort((a, b) => own.has(a[0]) - own.has(b[0]));
    for (const [id, left, top, width, height] of sorted) {
      const strong = own.has(id);
      const colour = tracks.get(id)?.colour || "#888";
      const shape = { svg: true, x: left, y: top, width, height, fill: "none" };
      if (strong) boxes.append(el("rect", { ...shape, stroke: "#000", "stroke-width": scale * 1.1 }));
      boxes.append(el("rect", { ...shape, stroke: colour, "stroke-width": scale * (strong ? 0.7 : 0.3),
        "stroke-opacity": strong ? 1 : 0.75 }));
      if (!strong) continue;
      const tall = scale * 4;
      const wide = tall * (0.62 * String(id).length + 0.5);
      const [x, y] = [Math.min(Math.max(left, 0), size[0] - wide), Math.max(top - tall * 1.15, 0)];
      boxes.append(el("rect", { svg: true, x, y, width: wide, height: tall * 1.15, fill: "#000", stroke: colour,
        "stroke-width": scale * 0.4 }));
      boxes.append(el("text", { svg: true, x: x + wide / 2, y: y + tall * 0.95, fill: "#fff", "text-anchor": "middle",
        "font-size": tall, "font-family": "system-ui, sans-serif", "font-weight": "600" }, String(id)));
    }
    return el("figure", {}, el("div", { class: "shot" }, el("img", { src: shot.image, alt: caption,
      width: size[0], height: size[1] }), boxes), el("figcaption", {}, caption));
  }

  function crops(event, tracks) {
    const side = (list, colour) => el("td", {}, list.map((crop) => el("figure", {},
      el("img", { src: crop.image, alt: `frame ${crop.frame}`, style: { borderColor: colour } }),
      el("figcaption", {}, `${crop.frame}`))), list.length ? null : el("span", { class: "faint" }, "not there"));
    return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Crops" },
      el("table", { class: "crops" }, el("thead", {}, el("tr", {}, ["Track", "Before", "After"].map((name) =>
        el("th", { scope: "col" }, name)))),
      el("tbody", {}, event.crops.map((each) => el("tr", {}, el("th", { scope: "row" }, chip(tracks.get(each.track))),
        side(each.before, tracks.get(each.track).colour), side(each.after, tracks.get(each.track).colour))))));
  }

  /** What the tracker compared: each term of the cost for the pair that was made and for the runner-up. */
  function reasons(why) {
    const most = Math.max(...why.terms.flatMap((term) => [term.cost ?? 0, term.rival_cost ?? 0]), 1e-9);
    const meter = (share, text, rival) => el("div", { class: rival ? "meter rival" : "meter" },
      el("i", { style: { width: `${Math.max(0, 100 * (share ?? 0)) / most}%` } }), el("span", {}, text));
    const told = (value, cost) => value === null ? "unknown"
      : cost === null || cost === value ? number(value)
        : cost === 0 ? `${number(value)}, not in this cost` : `${number(value)}, costs ${number(cost, 3)}`;
    const rows = why.terms.map((term) => el("tr", { class: term.decided ? "decided" : undefined },
      el("th", { scope: "row" }, term.decided ? `${term.name} (decided)` : term.name),
      el("td", {}, meter(term.cost, told(term.value, term.cost)),
        why.rival === null ? null : meter(term.rival_cost, told(term.rival, term.rival_cost), true))));
    return el("div", {}, el("h3", {}, "Why"), el("p", {}, why.text),
      el("table", { class: "terms" }, el("tbody", {}, rows)),
      why.rival === null ? null : el("p", { class: "faint" }, `Solid: the pair. Striped: ${why.rival}.`),
      why.setting ? el("p", { class: "setting" }, why.setting) : null);
  }

  function eventView(event, data, tracks) {
    const when = `frame ${event.frame}, ${clock(event.time)}`;
    const parts = [el("p", {}, event.text)];
    if (event.frames.length) {
      parts.push(el("div", { class: "frames" }, event.frames.map((shot) =>
        frame(shot, event, tracks, data.size, `${shot.frame < event.frame ? "Before" : "After"}: frame ${shot.frame}`))));
    }
    if (event.crops.length) parts.push(el("h3", {}, "Crops, by frame"), crops(event, tracks));
    if (!event.frames.length && !event.crops.length) {
      parts.push(el("p", { class: "faint" }, "No pictures: the file holds those of the worst events only."));
    }
    if (event.why) parts.push(reasons(event.why));
    return { title: `${event.name}, ${when}`, parts };
  }

  /** All events, worst first, beside the one that is open. */
  function events(data) {
    const tracks = new Map(data.tracks.map((track) => [track.id, track]));
    const list = el("ol", { class: "list", tabindex: "0", "aria-label": "Events, worst first" });
    const title = el("h2", { tabindex: "-1" });
    const body = el("div", {});
    const detail = el("section", { class: "event", "aria-live": "polite" }, el("div", { class: "bar" }, title,
      el("button", { type: "button", onclick: () => step(-1) }, "Previous"),
      el("button", { type: "button", onclick: () => step(1) }, "Next")), body);
    const names = [...new Map(data.events.map((event) => [event.kind, event.name]))];
    const kind = el("select", { "aria-label": "Kind", onchange: () => show() }, el("option", { value: "" }, "all kinds"),
      names.map(([value, text]) => el("option", { value },
        `${text} (${data.events.filter((event) => event.kind === value).length})`)));
    const shown = el("span", { class: "faint", role: "status" });
    const clear = el("button", { type: "button", class: "hidden" });
    let [current, track, visible] = [null, null, []];

    const buttons = new Map(data.events.map((event) => [event, el("li", {}, el("button", { type: "button",
      onclick: () => open(event, true) }, el("div", { class: "top" }, el("span", { class: "kind" }, event.name),
      event.tracks.map((id) => chip(tracks.get(id))), el("span", { class: "when" }, clock(event.time))),
    el("div", { class: "faint" }, event.text)))]));

    function show() {
      visible = data.events.filter((event) => (!kind.value || event.kind === kind.value) &&
        (track === null || event.tracks.includes(track)));
      list.replaceChildren(...visible.map((event) => buttons.get(event)));
      if (!visible.length) list.append(el("li", { class: "empty" }, "No event."));
      shown.textContent = `${visible.length.toLocaleString("en")} of ${plural(data.events.length, "event")}`;
      clear.classList.toggle("hidden", track === null);
      clear.textContent = `track ${track} ✕`;
      clear.setAttribute("aria-label", `Show the events of all tracks, not only of ${track}`);
      if (!visible.includes(current)) open(visible[0] || null, false);
    }

    function open(event, jump) {
      if (current) buttons.get(current).firstChild.removeAttribute("aria-current");
      current = event;
      detail.classList.toggle("hidden", !event);
      if (!event) return;
      buttons.get(event).firstChild.setAttribute("aria-current", "true");
      const made = eventView(event, data, tracks);
      title.textContent = made.title;
      body.replaceChildren(...made.parts);
      if (jump && matchMedia("(max-width: 800px)").matches) detail.scrollIntoView({ block: "start" });
    }

    function step(by) {
      const next = visible[visible.indexOf(current) + by];
      if (!next) return;
      open(next, false);
      buttons.get(next).scrollIntoView({ block: "nearest" });
    }

    function filter(id) {
      track = id;
      show();
    }

    document.addEventListener("keydown", (key) => {
      if (key.target.closest?.("input, select") || key.ctrlKey || key.metaKey || key.altKey) return;
      if (key.key === "j") step(1);
      if (key.key === "k") step(-1);
    });
    show();
    return { node: el("section", { class: "panel" }, el("div", { class: "bar" }, el("h2", {}, "Events, worst first"),
      shown, clear, names.length > 1 ? kind : null), el("div", { class: "split" }, list, detail)), filter, clear };
  }

  return { el, fill, foreign, plural, clock, chip, tile, timeline, events, reasons };
})();
