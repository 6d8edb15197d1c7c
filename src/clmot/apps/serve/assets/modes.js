"use strict";
// What waits for something more: for another track, or for a box.

/** `edit(change)` makes an edit, `halt()` stops playing, `now()` is the state of the page. */
function modes({ screen, edit, halt, now }) {
  const { el, fill } = view;
  const node = document.getElementById("mode");
  const cancel = () => el("button", { type: "button", onclick: leave }, "Cancel");
  const made = { mode: null, draft: "", ask, place, enter, cancel, given, leave, get fill() { return document.getElementById("fill")?.checked ?? true; } };

  function enter(name, ...content) {
    halt();
    made.mode = name;
    fill(node, ...content);
    node.hidden = false;
  }

  function leave() {
    made.mode = null;
    node.hidden = true;
    screen.cancel();
  }

  /** Wait for another track to be named or clicked. */
  function ask(verb, text) {
    const input = el("input", { type: "text", inputmode: "numeric", size: "6", id: "other", autocomplete: "off", "aria-label": "The other track's id" });
    enter(verb, el("form", { onsubmit: (event) => { event.preventDefault(); if (/^\d+$/.test(input.value.trim())) given(Number(input.value)); } },
      el("label", {}, `${text} `, input), " or click its box ", el("button", { type: "submit" }, "OK"), " ", cancel()));
    input.focus();
  }

  /** A track was named or clicked; null beside all of them. */
  function given(track) {
    const verb = made.mode;
    if (track === null || verb === "place" || verb === "trace") return;
    const { selected } = now();
    leave();
    if (verb === "merge") edit({ do: "merge", into: selected, track });
    if (verb === "swap") edit({ do: "swap", track: selected, other: track, frame: screen.now.number });
  }

  /** Move the box of a track, put one there, or begin a new track (0). */
  function place(track) {
    const { classes } = now().session;
    made.draft = classes.includes(made.draft) ? made.draft : classes[0];
    const choice = el("label", {}, "class ", el("select", { onchange: (event) => { made.draft = event.target.value; } },
      classes.map((each) => el("option", { value: each, selected: each === made.draft }, each))));
    const fill = el("label", {}, el("input", { type: "checkbox", id: "fill", checked: true }), "fill between key frames");
    enter("place", track ? `Track ${track}: drag the box or its corners; ` : "New track: draw a box; ",
      "or arrows, Alt+arrows for the size, Enter saves. ", track ? fill : choice, " ", cancel());
    if (track) screen.begin(track); else screen.startDrawing();
    screen.canvas.scrollIntoView({ block: "nearest" });
  }

  return made;
}
