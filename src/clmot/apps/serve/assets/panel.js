"use strict";
// What stands beside the video: the track that is selected, the queue of suspects, the edits, and dialogs.

const panel = (() => {
  const { el, foreign, plural, clock, reasons, timeline } = view;

  /** A coloured square and the id, also of a track that has just been made. */
  const chip = (id, colours) => view.chip({ id, colour: colours[(((id - 1) % colours.length) + colours.length) % colours.length] });

  const button = (text, key, act, attributes = {}) => el("button", { type: "button", onclick: act, title: `${text} (${key})`,
    "aria-keyshortcuts": key, ...attributes }, text);

  /** The track that is selected. `act` has what the buttons do; `told` is what the server says of it, or null. */
  function card(node, { told, session, frame, act, present }) {
    if (!told) {
      node.replaceChildren(el("div", { class: "bar" }, el("h2", {}, "Track")),
        el("p", { class: "empty" }, "Click a box, or press n for the next one in this frame. ",
          button("New box", "b", act.draw)));
      return;
    }
    const name = el("input", { type: "text", id: "rename", maxlength: "300", value: told.name, placeholder: "no name",
      autocomplete: "off", "aria-label": "Name of the track", onchange: (event) => act.rename(event.target.value) });
    const classes = el("select", { id: "class", "aria-label": "Class", onchange: (event) => act.reclass(event.target.value) },
      session.classes.map((each) => el("option", { value: each, selected: each === told.class }, each)),
      el("option", { value: "\n" }, "another …"));
    const jump = (number) => el("button", { type: "button", class: "link", onclick: () => act.go(number) }, String(number));
    node.replaceChildren(
      el("div", { class: "bar" }, el("h2", {}, "Track ", chip(told.id, session.colours)),
        button("✕", "Escape", act.close, { "aria-label": "Select nothing" })),
      el("div", { class: "inside" },
        el("div", { class: "fields" }, name, classes),
        el("p", { class: "faint" }, "frames ", jump(told.first), " to ", jump(told.last), `, ${plural(told.boxes, "box", "boxes")}`,
          told.score === null ? `; none in frame ${frame}` : `; score here ${told.score.toFixed(2)}`,
          told.origins.length ? `; made of ${told.origins.slice(0, 5).map((each) => `track ${each}`).join(", ")}` : ""),
        told.keys.length ? el("p", { class: "faint" }, "key frames ", told.keys.slice(0, 12).flatMap((each) => [jump(each), " "])) : null,
        el("div", { class: "verbs" },
          button("Merge with …", "m", act.merge), button("Split here", "s", act.split),
          button("Swap from here with …", "x", act.swap), button(present ? "Move box" : "Put box here", "e", act.edit),
          button("Delete box", "d", act.deleteBox, { disabled: !present }),
          button("Delete track", "Delete", act.deleteTrack, { class: "danger" })),
        told.crops.length ? el("div", { class: "strip" }, told.crops.map((number) => el("button", { type: "button",
          "aria-label": `Go to frame ${number}`, onclick: () => act.go(number) },
        el("img", { "data-src": `/api/crop/${told.id}/${number}?${session.serial}`, alt: "" }), el("span", {}, String(number))))) : null,
        told.why ? el("details", { class: "why", open: true }, el("summary", {}, `Why in frame ${frame}`), reasons(told.why))
          : el("p", { class: "faint" }, told.explained ? "Nothing was kept of why it is here in this frame."
            : "Why a box went to its track is told of results of clmot track --explain.")));
    load([...node.querySelectorAll("img[data-src]")]);
  }

  /** Images one after the other: a browser asks for few things at a time, and an edit must not wait for crops. */
  function load([image, ...rest]) {
    if (!image?.isConnected) return;
    image.onload = () => load(rest);
    image.onerror = image.onload;
    image.src = image.dataset.src;
  }

  /** The queue: what looks wrong, the worst first. */
  function queue(node, { state, events, current, session, act }) {
    const left = events.filter((event) => !event.reviewed).length;
    const bar = el("div", { class: "bar" }, el("h2", {}, "Suspects"),
      el("span", { class: "faint", role: "status" }, state.state === "ready" ? `${left} of ${events.length} to look at`
        : state.state === "looking" ? `looking, ${Math.round(100 * state.share)} %` : ""));
    if (state.state === "asked") {
      bar.append(el("button", { type: "button", onclick: act.look }, "Look for suspects"));
    }
    if (state.state === "ready" && events.length) {
      bar.append(button("Done, next", "v", act.reviewed));
    }
    const empty = { none: "Without the video nobody can say what looks wrong.", asked: "Takes a pass over the video.",
      looking: "What looks wrong will stand here, the worst first.", ready: "Nothing looks wrong.", failed: state.error };
    const list = el("ol", { class: "list", tabindex: "0", "aria-label": "Suspects, worst first" },
      events.slice(0, 300).map((event, place) => el("li", {}, el("button", { type: "button", onclick: () => act.open(place),
        "aria-current": place === current ? "true" : null, class: event.reviewed ? "reviewed" : null },
      el("div", { class: "top" }, el("span", { class: "kind" }, (event.reviewed ? "✓ " : "") + event.name),
        el("span", { class: "chips" }, event.now.flatMap((id) => [id === null ? el("span", { class: "faint" }, "gone") : chip(id, session.colours), " "])),
        el("span", { class: "when" }, clock(event.time))),
      el("div", { class: "faint" }, event.text)))));
    const before = node.querySelector(".list")?.scrollTop;
    node.replaceChildren(bar, events.length ? list : el("p", { class: "empty" }, empty[state.state] || ""));
    if (events.length && before) list.scrollTop = before;
  }

  function edits(node, session) {
    const list = session.edits || [];
    node.replaceChildren(el("div", { class: "bar" }, el("h2", {}, "Edits"), el("span", { class: "faint" }, list.length || "none yet")),
      el("p", { class: "faint saved" }, "Each one is saved at once in ", foreign(session.journal || "")),
    el("ol", { class: "done", tabindex: list.length ? "0" : null, reversed: true, "aria-label": "Edits, the last one first" },
      list.slice(-200).reverse().map((each) => el("li", {}, foreign(each)))));
  }

  /** The timeline, with a line at the frame that is shown, which a click moves. Zoom and place stay when it is made anew. */
  function lanes(node, { session, events, selected, choose, seek }) {
    const kept = node.querySelector(".timeline");
    const [top, left] = [kept?.scrollTop || 0, kept?.scrollLeft || 0];
    const zoom = node.querySelector("[aria-label=Zoom]")?.value;
    node.replaceChildren();
    if (session.live || !session.tracks.length) return null;
    const last = Math.max(session.last, ...session.tracks.map((each) => each.last));
    const span = last - session.first + 1;
    const told = events.map((each) => ({ ...each, tracks: each.now }));
    const made = timeline({ ...session, last, events: told }, choose);
    node.append(made.node);
    const body = node.querySelector(".lanes");
    const line = el("i", { class: "head", "aria-hidden": "true" });
    body.append(line);
    body.addEventListener("click", (event) => {
      const life = event.target.closest(".life") || event.target.closest(".axis div");
      if (!life || !event.detail) return; // a key chose the track
      const area = life.getBoundingClientRect();
      seek(Math.round(session.first + ((event.clientX - area.left) / area.width) * (span - 1)));
    });
    const slider = node.querySelector("[aria-label=Zoom]");
    if (zoom) { slider.value = zoom; slider.dispatchEvent(new Event("input")); }
    const box = node.querySelector(".timeline");
    [box.scrollTop, box.scrollLeft] = [top, left];
    made.mark(selected);
    return { mark: made.mark, head: (number) => line.style.setProperty("--at", String((number - session.first + 0.5) / span)) };
  }

  const KEYS = [["space", "play, pause"], ["← →", "one frame back, on (Shift: 10)"], ["Home End", "first, last frame"],
    ["< >", "slower, faster"], ["+ − 0", "zoom in, out, whole picture"], ["g", "go to a frame"], ["n p", "next, previous track of this frame"],
    ["[ ]", "first, last frame of the track"], ["m", "merge with another track"], ["s", "split here"], ["x", "swap with another track from here on"],
    ["d", "delete the box of this frame"], ["Delete", "delete the track"], ["r c", "name, class"],
    ["e", "move the box, or put one here: arrows, Alt+arrows for its size (Shift: 10), Enter saves"],
    ["b", "new box of a new track: draw it, or arrows as above"], ["u y", "undo, redo (also Ctrl+Z, Ctrl+Y)"],
    ["l z", "draw a line or zone to count at: click its corners, or arrows (Shift: 10) and Enter; Enter again ends a zone"],
    ["j k", "next, previous suspect"], ["v", "looked at: next suspect"], ["Esc", "leave"]];

  function keys(dialog) {
    dialog.replaceChildren(el("h2", {}, "Keys"), el("dl", {}, KEYS.flatMap(([key, what]) => [el("dt", {}, key), el("dd", {}, what)])),
      el("p", { class: "faint" }, "A box that was moved is a key frame. Between two key frames of a track, boxes lie on the straight line."),
      el("form", { method: "dialog" }, el("button", {}, "Close")));
    dialog.showModal();
  }

  /** What to track, with what. `begin(wanted)` starts it. */
  async function tracking(dialog, { api, begin, said }) {
    const offered = await api("/api/offered");
    const option = (value) => el("option", { value }, value);
    const source = el("select", { name: "source", required: true, "aria-label": "Video" }, offered.sources.map(option));
    const state = el("p", { class: "faint", role: "status" });
    const send = async (file) => {
      if (!file) return;
      state.textContent = `Sending ${file.name} …`;
      try {
        const told = await api(`/api/upload?name=${encodeURIComponent(file.name)}`, file);
        if (![...source.options].some((each) => each.value === told.name)) source.append(option(told.name));
        source.value = told.name;
        state.textContent = `${told.name} is here.`;
      } catch (error) {
        state.textContent = error.message;
      }
    };
    const file = el("input", { type: "file", accept: "video/*,.mkv,.avi,.ts,.mts", "aria-label": "Video from this computer",
      onchange: () => send(file.files[0]) });
    const drop = el("label", { class: "drop" }, "or drop a video here", file);
    drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("over"); send(event.dataTransfer.files[0]); });
    const field = (text, input) => el("label", { class: "field" }, el("span", {}, text), input);
    const model = el("select", {}, offered.models.map(option));
    const conf = el("input", { type: "number", min: "0", max: "0.99", step: "0.01", placeholder: "the model's" });
    const classes = el("input", { type: "text", placeholder: "all", maxlength: "300" });
    const preset = el("select", {}, el("option", { value: "" }, "the model's"), offered.presets.map(option));
    const every = el("input", { type: "number", min: "1", max: "1000", value: "1" });
    const fast = el("input", { type: "checkbox" });
    dialog.replaceChildren(el("h2", {}, "Track a video"), el("form", { method: "dialog", onsubmit: async (event) => {
      event.preventDefault();
      try {
        await begin({ source: source.value, model: model.value, conf: conf.value === "" ? null : Number(conf.value),
          classes: classes.value, preset: preset.value, every: Number(every.value || 1), fast: fast.checked });
        dialog.close();
      } catch (error) {
        state.textContent = error.message;
      }
    } }, field("Video", source), drop, field("Model", model), field("Least score", conf), field("Classes", classes),
    field("Preset of the tracker", preset), field("Every so many frames", every),
    el("label", { class: "field" }, el("span", {}, "Fast (every second frame through the network)"), fast), state,
    el("p", { class: "verbs" }, el("button", { type: "submit", class: "main" }, "Start"),
      el("button", { type: "button", onclick: () => dialog.close() }, "Cancel"))));
    dialog.showModal();
  }

  return { card, queue, edits, lanes, keys, tracking };
})();
