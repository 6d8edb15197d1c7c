"use strict";
// The page: what is open, and what keys and buttons do with it.

{
  const { el, foreign, clock, plural, timeline } = view;
  const by = (id) => document.getElementById(id);
  const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
  let [session, frames, moving, opened] = [null, null, null, undefined];
  let [selected, told, mode, events, current] = [null, null, null, [], -1];
  let [status, serial, draft] = [{ media: {}, suspects: { state: "none" } }, 0, ""];
  history.replaceState(null, "", "/");

  async function api(path, sent) {
    const body = sent === undefined || sent instanceof Blob ? sent : JSON.stringify(sent);
    const answer = await fetch(path, sent === undefined ? {} : { method: "POST", body });
    const content = await answer.json().catch(() => ({ error: answer.status === 403 ? "this page has ended; open the new address" : answer.statusText }));
    if (!answer.ok) throw new Error(content.error || answer.statusText);
    return content;
  }

  const say = (text, bad = false) => {
    by("said").replaceChildren(foreign(text));
    by("said").classList.toggle("bad", bad);
  };
  const tried = (act) => async (...given) => {
    try { return await act(...given); } catch (error) { say(error.message, true); return undefined; }
  };

  const store = new player.Boxes((first, last) => {
    const { number } = screen.now;
    if (number >= first && number <= last) { screen.boxes(store.at(number)); frameChanged(); }
  });
  const screen = stage.create(by("canvas"), {
    select: (track) => (mode && track !== null ? other(track) : mode ? null : select(track)),
    moved: (track, box) => edit({ do: "box", track, frame: screen.now.number, box, fill: fills(), ...(track ? {} : { name: draft }) }, track),
    drawn: (box) => { leave(); if (box) edit({ do: "box", track: 0, frame: screen.now.number, box, name: draft }, 0); },
    zoomed: (zoom) => { by("fit").textContent = `${Math.round(100 * zoom)} %`; },
  });
  const fills = () => by("fill")?.checked ?? true;

  // ---- what is open

  async function poll() {
    try {
      status = await api("/api/status");
    } catch (error) {
      say(error.message, true);
      setTimeout(poll, 3000);
      return;
    }
    if (status.problem) say(status.problem, true);
    if (status.open !== opened) await open();
    if (session && !moving && ["video", "images", "none"].includes(status.media.state)) await startMedia();
    notice();
    if (session?.live && status.job) follow(status.job);
    if (session && !session.live && status.suspects.state !== screen.suspects) await suspects();
    else if (status.suspects.state === "looking") showQueue();
    const busy = status.job || status.media.state === "making" || status.suspects.state === "looking";
    setTimeout(poll, busy ? 400 : 2000);
  }

  async function open() {
    opened = status.open;
    moving?.close();
    [moving, frames, selected, told, events, current] = [null, null, null, null, [], -1];
    screen.suspects = undefined;
    store.clear();
    session = opened === null ? null : await api("/api/session");
    if (session) { refreshed(session); showCard(); } else tried(dialogTrack)();
  }

  async function startMedia() {
    const answer = await fetch("/api/times");
    frames = new player.Frames(await answer.arrayBuffer());
    by("scrub").max = frames.length - 1;
    const shown = (index, picture) => {
      const number = frames.numbers[index];
      const size = moving?.size || session.size || [1, 1];
      by("canvas").style.aspectRatio = `${size[0]} / ${size[1]}`;
      screen.show(index, number, picture, size, store.at(number));
      frameChanged();
    };
    if (status.media.state === "video") moving = new player.VideoPlayer(by("video"), frames, shown);
    else moving = new player.ImagePlayer(frames, shown, session.size, status.media.state === "images" ? player.loadImage : null);
    moving.changed = playing;
    const first = frames.indexOf(Math.max(session.first || 1, 1));
    moving.seek(first);
    moving.ready.catch((error) => say(error.message, true));
  }

  function notice() {
    const { state, share, error } = status.media;
    const text = !session ? "Nothing is open yet: Track … starts." : state === "making"
      ? `Making a video that every browser plays: ${Math.round(100 * share)} %` : state === "failed" ? error : "";
    by("notice").textContent = text;
  }

  /** Boxes appear while tracking goes on. */
  function follow(job) {
    store.forget(screen.seen || 0);
    screen.seen = job.frame;
    by("facts").replaceChildren(`tracking: frame ${job.frame}${job.length ? ` of ${job.length}` : ""}, ${plural(job.tracks, "track")} `,
      el("button", { type: "button", id: "stop", onclick: tried(() => api("/api/stop", {})) }, "Stop"));
    if (moving && frames && !moving.playing && job.frame) moving.seek(frames.indexOf(job.frame));
    else if (screen.now.number !== null) screen.boxes(store.at(screen.now.number));
  }

  function refreshed(content) {
    session = content;
    serial += 1;
    session.serial = serial;
    by("name").replaceChildren(foreign(session.name));
    document.title = `${session.name} – clmot serve`;
    screen.palette(session.colours || ["#0066cc"], new Map(session.tracks.map((each) => [each.id, each.name])));
    if (!session.live) {
      by("facts").textContent = `${plural(session.tracks.length + session.more_tracks, "track")}, ${plural(session.boxes, "box", "boxes")}`;
    }
    by("undo").disabled = !session.edits?.length;
    by("redo").disabled = !session.undone?.length;
    by("export").disabled = !session.edits;
    if (session.formats && !by("format").options.length) by("format").append(...session.formats.map((each) => el("option", { value: each }, each)));
    panel.edits(by("edits"), session);
    showTimeline();
    showQueue();
    if (selected !== null && !session.tracks.some((each) => each.id === selected) && !session.more_tracks) select(null);
  }

  function showTimeline() {
    const kept = by("timeline").querySelector(".timeline");
    const [top, left] = [kept?.scrollTop || 0, kept?.scrollLeft || 0];
    const zoom = by("timeline").querySelector("[aria-label=Zoom]")?.value;
    if (session.live || !session.tracks.length) { by("timeline").replaceChildren(); return; }
    const last = Math.max(session.last, ...session.tracks.map((each) => each.last));
    const lanes = timeline({ ...session, last, events: events.map((each) => ({ ...each, tracks: each.now })) }, (track) => { if (track !== selected) select(track, true); });
    by("timeline").replaceChildren(lanes.node);
    const body = lanes.node.querySelector(".lanes");
    const head = el("i", { class: "head", "aria-hidden": "true" });
    body.append(head);
    body.addEventListener("click", (event) => {
      const life = event.target.closest(".life") || event.target.closest(".axis div");
      if (!life) return;
      const area = life.getBoundingClientRect();
      const share = (event.clientX - area.left) / area.width;
      if (event.detail) moving?.seek(frames.indexOf(Math.round(session.first + share * (last - session.first))));
    });
    screen.head = (number) => { head.style.setProperty("--at", String((number - session.first + 0.5) / (last - session.first + 1))); };
    const slider = lanes.node.querySelector("[aria-label=Zoom]");
    if (zoom) { slider.value = zoom; slider.dispatchEvent(new Event("input")); }
    const box = lanes.node.querySelector(".timeline");
    [box.scrollTop, box.scrollLeft] = [top, left];
    if (screen.now.number !== null) screen.head(screen.now.number);
    lanes.mark(selected);
    screen.mark = lanes.mark;
  }

  // ---- frames

  let pending = 0;
  function frameChanged() {
    const { index, number, boxes } = screen.now;
    if (index < 0) return;
    if (document.activeElement !== by("frame")) by("frame").value = number;
    by("scrub").value = index;
    by("scrub").setAttribute("aria-valuetext", `frame ${number}`);
    by("when").textContent = `${clock(frames.seconds[index])} of ${clock(frames.seconds[frames.length - 1])}`;
    screen.head?.(number);
    if (!moving?.playing) by("canvas").setAttribute("aria-label", `Frame ${number}, ${plural(boxes?.length || 0, "box", "boxes")}`);
    clearTimeout(pending);
    if (selected !== null && !moving?.playing) pending = setTimeout(tried(fetchCard), 120);
  }

  const go = (number) => { moving?.pause(); playing(); moving?.seek(frames.indexOf(number)); };
  function playing() { by("play").textContent = moving?.playing ? "Pause" : "Play"; }
  function toggle() { if (!moving) return; if (moving.playing) moving.pause(); else moving.play(); playing(); if (!moving.playing) frameChanged(); }
  const stepBy = (frameCount) => { moving?.step(frameCount); playing(); };
  function zoomBy(factor) { screen.zoom(factor ? screen.view.zoom * factor : 1); by("fit").textContent = `${Math.round(100 * screen.view.zoom)} %`; }
  function speedBy(by_) {
    const at = SPEEDS.indexOf(Number(by("speed").value)) + by_;
    if (!SPEEDS[at]) return;
    by("speed").value = SPEEDS[at];
    moving?.speed(SPEEDS[at]);
  }

  // ---- tracks

  function select(track, jump = false) {
    selected = track;
    screen.select(track);
    screen.mark?.(track);
    told = null;
    if (track === null) { showCard(); return; }
    tried(fetchCard)();
    const life = session.tracks.find((each) => each.id === track);
    const { number } = screen.now;
    if (jump && life && !(number >= life.first && number <= life.last)) go(life.first);
  }

  async function fetchCard() {
    if (selected === null || session.live) return;
    const asked = selected;
    const content = await api(`/api/track/${asked}?frame=${screen.now.number ?? 1}`);
    if (asked !== selected) return;
    told = content;
    showCard();
  }

  function showCard() {
    if (by("card").contains(document.activeElement) && document.activeElement.id === "rename" && told?.id === selected) return;
    const focus = by("card").contains(document.activeElement) ? document.activeElement.textContent : null;
    const present = (screen.now.boxes || []).some((each) => each.track === selected);
    panel.card(by("card"), { told: selected === null ? null : told, session, frame: screen.now.number, act, present });
    if (focus) [...by("card").querySelectorAll("button")].find((each) => each.textContent === focus)?.focus();
  }

  /** Make an edit; it is on the disk when the page shows it. */
  const edit = tried(async (change, then) => {
    const before = new Set(session.tracks.map((each) => each.id));
    const answer = await api("/api/edit", change);
    store.clear();
    const { number } = screen.now;
    if (number !== null) await store.ready(number);
    const made = answer.summary.tracks.map((each) => each.id).find((each) => !before.has(each));
    if (change.do === "box" && then === 0 && made !== undefined) selected = made;
    refreshed(answer.summary);
    screen.select(selected);
    if (number !== null && number === screen.now.number) screen.boxes(store.at(number) || []);
    if (selected !== null) await tried(fetchCard)();
    say(answer.told);
    await suspects();
  });

  /** Wait for another track to be named or clicked. */
  function ask(verb, text) {
    if (selected === null) { say(`${text}: select a track first`, true); return; }
    moving?.pause();
    playing();
    const input = el("input", { type: "text", inputmode: "numeric", size: "6", id: "other", autocomplete: "off", "aria-label": "The other track's id" });
    enter(verb, el("form", { onsubmit: (event) => { event.preventDefault(); if (input.value.trim()) other(Number(input.value)); } },
      el("label", {}, `${text} `, input), " or click its box ", el("button", { type: "submit" }, "OK"), " ",
      el("button", { type: "button", onclick: leave }, "Cancel")));
    input.focus();
  }

  function other(track) {
    const [verb, mine] = [mode, selected];
    leave();
    if (verb === "merge") edit({ do: "merge", into: mine, track });
    if (verb === "swap") edit({ do: "swap", track: mine, other: track, frame: screen.now.number });
  }

  function enter(name, ...content) {
    mode = name;
    by("mode").replaceChildren(...content);
    by("mode").hidden = false;
  }

  function leave() {
    mode = null;
    by("mode").hidden = true;
    screen.cancel();
  }

  const needs = (act) => () => { if (selected === null) say("select a track first: click its box, or press n", true); else act(); };

  const act = {
    go,
    close: () => select(null),
    rename: (name) => edit({ do: "rename", track: selected, name }),
    reclass: (name) => {
      const wanted = name === "\n" ? prompt("Name of the class") : name;
      if (wanted) edit({ do: "class", track: selected, name: wanted }); else showCard();
    },
    merge: needs(() => ask("merge", `Merge track ${selected} with track`)),
    swap: needs(() => ask("swap", `From frame ${screen.now.number} on, swap track ${selected} with track`)),
    split: needs(() => edit({ do: "split", track: selected, frame: screen.now.number })),
    deleteBox: needs(() => edit({ do: "delete", track: selected, first: screen.now.number, last: screen.now.number })),
    deleteTrack: needs(() => edit({ do: "delete", track: selected })),
    edit: needs(() => place(selected)),
    draw: () => place(0),
    look: tried(async () => { await api("/api/suspects", {}); }),
    open: (at) => showEvent(at),
    reviewed: () => {
      const event = events[current];
      if (!event) { showEvent(0); return; }
      const next = events.findIndex((each, at) => at > current && !each.reviewed);
      edit({ do: "reviewed", event: event.key }).then(() => { if (next >= 0) showEvent(next); });
    },
  };

  /** Move the box of a track, put one there, or begin a new track (0). */
  function place(track) {
    moving?.pause();
    playing();
    draft = session.classes.includes(draft) ? draft : session.classes[0];
    const classes = track ? [] : [el("label", {}, "class ", el("select", { onchange: (event) => { draft = event.target.value; } },
      session.classes.map((each) => el("option", { value: each, selected: each === draft }, each)))), " "];
    enter("place", track ? `Track ${track}: drag the box or its corners; ` : "New track: draw a box; ",
      "or arrows, Alt+arrows for the size, Enter saves. ", ...classes,
      track ? el("label", {}, el("input", { type: "checkbox", id: "fill", checked: true }), "fill between key frames") : "", " ",
      el("button", { type: "button", onclick: leave }, "Cancel"));
    if (track) screen.begin(track); else screen.startDrawing();
    by("canvas").scrollIntoView({ block: "nearest" });
  }

  // ---- suspects

  async function suspects() {
    if (session.live) return;
    if (status.suspects.state === "ready") events = await tried(() => api("/api/suspects"))() || events;
    screen.suspects = status.suspects.state;
    showQueue();
    if (events.length) showTimeline();
  }

  function showQueue() {
    if (!session || session.live) { by("queue").replaceChildren(); return; }
    panel.queue(by("queue"), { state: status.suspects, events, current, session, act });
  }

  function showEvent(at) {
    const event = events[at];
    if (!event) return;
    current = at;
    showQueue();
    by("queue").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    go(event.frame);
    const track = event.now.find((each) => each !== null);
    if (track !== undefined) select(track);
  }

  // ---- buttons and keys

  const dialogTrack = () => panel.tracking(by("tracking"), { api, say, begin: async (wanted) => { await api("/api/track", wanted); say("Tracking begins."); } });

  const undo = () => edit({ do: "undo" });
  const redo = () => edit({ do: "redo" });
  by("undo").addEventListener("click", undo);
  by("redo").addEventListener("click", redo);
  by("play").addEventListener("click", toggle);
  by("back").addEventListener("click", () => stepBy(-1));
  by("forth").addEventListener("click", () => stepBy(1));
  by("in").addEventListener("click", () => zoomBy(1.5));
  by("out").addEventListener("click", () => zoomBy(1 / 1.5));
  by("fit").addEventListener("click", () => zoomBy(0));
  by("help").addEventListener("click", () => panel.keys(by("keys")));
  by("track").addEventListener("click", tried(dialogTrack));
  by("scrub").addEventListener("input", () => { moving?.pause(); playing(); moving?.seek(Number(by("scrub").value)); });
  by("frame").addEventListener("change", () => { if (/^\d+$/.test(by("frame").value.trim())) go(Number(by("frame").value)); else frameChanged(); });
  by("speed").append(...SPEEDS.map((each) => el("option", { value: each, selected: each === 1 }, `${each}×`)));
  by("speed").addEventListener("change", () => moving?.speed(Number(by("speed").value)));
  by("export").addEventListener("click", tried(async () => {
    const made = await api(`/api/export?to=${encodeURIComponent(by("format").value)}`, {});
    say(`Written to ${made.file}${made.lost ? `. ${made.lost}` : ""}`);
    el("a", { href: `/api/download?name=${encodeURIComponent(made.name)}`, download: made.name }).click();
  }));

  function nextTrack(by_) {
    const ids = (screen.now.boxes || []).map((each) => each.track).sort((a, b) => a - b);
    if (!ids.length) return;
    const at = ids.indexOf(selected);
    select(ids[(at < 0 ? (by_ > 0 ? 0 : ids.length - 1) : at + by_ + ids.length) % ids.length]);
  }

  const life = () => session?.tracks.find((each) => each.id === selected);
  const KEYS = {
    " ": toggle, Home: () => go(frames.numbers[0]), End: () => go(frames.numbers[frames.length - 1]),
    "<": () => speedBy(-1), ">": () => speedBy(1), "+": () => zoomBy(1.5), "=": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5), 0: () => zoomBy(0),
    g: () => by("frame").select(), n: () => nextTrack(1), p: () => nextTrack(-1),
    "[": () => life() && go(life().first), "]": () => life() && go(life().last),
    m: act.merge, s: act.split, x: act.swap, d: act.deleteBox, Delete: act.deleteTrack, e: act.edit, b: act.draw,
    r: () => by("rename")?.select(), c: () => by("class")?.focus(), u: undo, y: redo,
    j: () => showEvent(current + 1), k: () => showEvent(current - 1), v: act.reviewed, "?": () => panel.keys(by("keys")),
  };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input:not([type=range], [type=checkbox]), select, dialog");
    if (event.key === "Escape") {
      if (mode) leave(); else if (!event.target.closest?.("dialog")) { select(null); by("canvas").focus(); }
      if (typing && !event.target.closest("dialog")) event.target.blur();
      return;
    }
    if (typing || !session) return;
    if ((event.ctrlKey || event.metaKey) && "zy".includes(event.key.toLowerCase())) {
      event.preventDefault();
      if (event.key.toLowerCase() === "y" || event.shiftKey) redo(); else undo();
      return;
    }
    if (event.ctrlKey || event.metaKey) return;
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const far = event.shiftKey ? 10 : 1;
    if (mode === "place" && (arrow || event.key === "Enter")) {
      event.preventDefault();
      if (!screen.editing) screen.begin(0);
      if (arrow) screen.nudge(arrow[0] * far, arrow[1] * far, event.altKey); else { const given = screen.editing; screen.commit(); if (given) leave(); }
      return;
    }
    if (event.altKey) return;
    if (arrow && arrow[0]) { event.preventDefault(); stepBy(arrow[0] * far); return; }
    const chosen = KEYS[event.key];
    if (!chosen || session.live && !" +-=0<>?".includes(event.key)) return;
    if (event.key === " " && event.target.closest?.("button, summary")) return;
    event.preventDefault();
    chosen();
  });

  window.addEventListener("unhandledrejection", (event) => { event.preventDefault(); say(String(event.reason?.message || event.reason), true); });
  poll();
}
