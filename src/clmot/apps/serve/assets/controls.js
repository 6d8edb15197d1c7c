"use strict";
// What buttons and keys do.

/** `act` does it, `screen` is the stage, `now()` is the state of the page. */
function controls({ act, screen, now }) {
  const { el } = view;
  const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
  const by = (id) => document.getElementById(id);

  const stepBy = (frames) => { act.halt(); now().moving?.step(frames); };

  function zoomBy(factor) {
    screen.zoom(factor ? screen.view.zoom * factor : 1);
    by("fit").textContent = `${Math.round(100 * screen.view.zoom)} %`;
  }

  function speedBy(steps) {
    const at = SPEEDS.indexOf(Number(by("speed").value)) + steps;
    if (!SPEEDS[at]) return;
    by("speed").value = SPEEDS[at];
    now().moving?.speed(SPEEDS[at]);
  }

  function nextTrack(steps) {
    const ids = (screen.now.boxes || []).map((each) => each.track).sort((a, b) => a - b);
    if (!ids.length) return;
    const at = ids.indexOf(now().selected);
    act.select(ids[(at < 0 ? (steps > 0 ? 0 : ids.length - 1) : at + steps + ids.length) % ids.length]);
  }

  const exported = act.tried(async () => {
    const made = await link.api(`/api/export?to=${encodeURIComponent(by("format").value)}`, {});
    act.say(`Written to ${made.file}${made.lost ? `. ${made.lost}` : ""}`);
    el("a", { href: `/api/download?name=${encodeURIComponent(made.name)}`, download: made.name }).click();
  });

  const help = () => panel.keys(by("keys"));
  const clicks = { undo: act.undo, redo: act.redo, play: act.toggle, back: () => stepBy(-1), forth: () => stepBy(1), in: () => zoomBy(1.5),
    out: () => zoomBy(1 / 1.5), fit: () => zoomBy(0), help, track: act.track, export: exported };
  for (const [id, clicked] of Object.entries(clicks)) by(id).addEventListener("click", clicked);
  by("scrub").addEventListener("input", () => {
    act.halt();
    now().moving?.seek(Number(by("scrub").value));
  });
  by("frame").addEventListener("change", () => {
    const wanted = by("frame").value.trim();
    if (/^\d+$/.test(wanted)) act.go(Number(wanted)); else act.frameChanged();
  });
  by("speed").append(...SPEEDS.map((each) => el("option", { value: each, selected: each === 1 }, `${each}×`)));
  by("speed").addEventListener("change", () => now().moving?.speed(Number(by("speed").value)));

  const life = (end) => () => {
    const track = now().session?.tracks.find((each) => each.id === now().selected);
    if (track) act.go(track[end]);
  };
  const end = (place) => () => { const { frames } = now(); if (frames) act.go(frames.numbers.at(place)); };
  const WATCHING = {
    " ": act.toggle, Home: end(0), End: end(-1), "<": () => speedBy(-1), ">": () => speedBy(1), "+": () => zoomBy(1.5), "=": () => zoomBy(1.5),
    "-": () => zoomBy(1 / 1.5), 0: () => zoomBy(0), g: () => by("frame").select(), "?": help,
  };
  const EDITING = {
    n: () => nextTrack(1), p: () => nextTrack(-1), "[": life("first"), "]": life("last"), m: act.merge, s: act.split, x: act.swap,
    d: act.deleteBox, Delete: act.deleteTrack, e: act.edit, b: act.draw, r: () => by("rename")?.select(), c: () => by("class")?.focus(),
    u: act.undo, y: act.redo, j: () => act.showEvent(now().current + 1), k: () => act.showEvent(now().current - 1), v: act.reviewed, l: act.drawLine, z: act.drawZone,
  };
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  /** Keys while a box is placed or a shape is traced; whether it was one of them. */
  function placing(event, arrow, far) {
    const { mode } = now();
    if (mode === "trace") return screen.tracing.key(event.key, arrow?.map((each) => each * far));
    if (mode !== "place" || !(arrow || event.key === "Enter")) return false;
    if (!screen.editing) screen.begin(0);
    if (arrow) {
      screen.nudge(arrow[0] * far, arrow[1] * far, event.altKey);
    } else {
      screen.commit();
      act.leave();
    }
    return true;
  }

  document.addEventListener("keydown", (event) => {
    const dialog = event.target.closest?.("dialog");
    const typing = dialog || event.target.closest?.("input:not([type=range], [type=checkbox]), select");
    const { session, mode } = now();
    if (event.key === "Escape" && !dialog) {
      if (mode) act.leave(); else act.select(null);
      if (typing) {
        if (event.target.type === "text") event.target.value = event.target.defaultValue;
        event.target.blur();
      }
    }
    if (typing || !session || event.key === "Escape") return;
    const { key } = event;
    if (event.ctrlKey || event.metaKey) {
      if (!"zy".includes(key.toLowerCase())) return;
      event.preventDefault();
      if (key.toLowerCase() === "y" || event.shiftKey) act.redo(); else act.undo();
      return;
    }
    const arrow = ARROWS[event.key];
    const far = event.shiftKey ? 10 : 1;
    if (["Enter", " "].includes(key) && event.target.closest?.("#mode button")) return;
    const does = placing(event, arrow, far) ? () => {} : event.altKey ? null : arrow?.[0] ? () => stepBy(arrow[0] * far)
      : WATCHING[key] || (session.live ? null : EDITING[key]);
    if (!does || (key === " " && event.target.closest?.("button, summary"))) return;
    event.preventDefault();
    does();
  });
}
