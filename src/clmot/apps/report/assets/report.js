"use strict";
// The report: what was tracked with what, scores, timeline and events.
{
  const { el, foreign, plural, clock, tile, timeline, events } = view;
  const data = JSON.parse(document.getElementById("data").textContent);
  const list = events(data);
  const lanes = timeline(data, (track) => list.filter(track));
  list.clear.addEventListener("click", () => lanes.select(null));
  document.querySelector("main").append(
    el("h1", {}, foreign(data.name)),
    el("p", { class: "faint" }, [plural(data.frames, "frame"), clock(data.frames / data.rate),
      plural(data.tracks.length + data.more_tracks, "track"), plural(data.boxes, "box", "boxes"),
      plural(data.events.length, "event")].join(" · ")),
    el("ul", { class: "tiles" }, data.tiles.map(([name, value, title]) => tile(name, value, title))),
    ...data.notes.map((note) => el("p", {}, note)),
    el("details", {}, el("summary", {}, "What was tracked, with what"), el("dl", {}, data.facts.flatMap(([name, value]) =>
      [el("dt", {}, name), el("dd", {}, foreign(value))]))),
    lanes.node, list.node,
    el("footer", {}, data.footer, " Keys: j next event, k previous."));
}
