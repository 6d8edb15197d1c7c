"use strict";
// The page: what is open, and what keys and buttons do with it.

{
  const { el, foreign, clock, plural } = view;
  const { api } = link;
  const by = (id) => document.getElementById(id);
  let [session, frames, moving, opened] = [null, null, null, undefined];
  let [selected, told, events, current] = [null, null, [], -1];
  let [status, serial] = [{ media: {}, suspects: { state: "none" } }, 0];
  history.replaceState(null, "", "/");

  const say = (text, bad = false) => {
    by("said").replaceChildren(foreign(text));
    by("said").classList.toggle("bad", bad);
  };
  const tried = (act) => async (...given) => {
    try { return await act(...given); } catch (error) { say(error.message, true); return undefined; }
  };

  const store = new boxes.Boxes((first, last) => {
    const { number } = screen.now;
    if (number >= first && number <= last) { screen.boxes(store.at(number)); frameChanged(); }
  });
  const screen = stage.create(by("canvas"), {
    select: (track) => (waiting.mode ? waiting.given(track) : select(track)),
    moved: (track, box) => edit({ do: "box", track, frame: screen.now.number, box, fill: waiting.fill, ...(track ? {} : { name: waiting.draft }) }, track),
    drawn: (box) => { waiting.leave(); if (box) edit({ do: "box", track: 0, frame: screen.now.number, box, name: waiting.draft }, 0); },
    under: (place) => counts?.draw(place),
    zoomed: (zoom) => { by("fit").textContent = `${Math.round(100 * zoom)} %`; },
  });
  let counts = null;
  const halt = () => { moving?.pause(); playing(); };
  const waiting = modes({ screen, edit: (change) => edit(change), halt, now: () => ({ session, selected }) });

  counts = counting({ screen, waiting, tried, edit: (change) => edit(change), now: () => ({ session }) });

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
    else if (session && !session.live && status.revision > session.revision) await renewed();
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
    if (session) { refreshed(session); showCard(); } else if (opened === null) tried(dialogTrack)(); else opened = undefined;
  }

  /** Another page on these results made an edit. */
  async function renewed() {
    const content = await api("/api/session");
    if (!content) return;
    store.clear();
    if (screen.now.number !== null) screen.boxes(store.at(screen.now.number) || screen.now.boxes);
    refreshed(content);
    await suspects();
  }

  async function startMedia() {
    const answer = await fetch("/api/times");
    if (answer.status !== 200) return;
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
    moving.asked = (number) => store.ready(number); // boxes come while the video is decoded
    const first = frames.indexOf(Math.max(session.first || 1, 1));
    moving.seek(first);
    moving.ready.catch(async (error) => { status = await api("/api/status"); say(status.media.error || error.message, true); });
  }

  function notice() {
    const { state, share, error } = status.media;
    const text = !session ? "Nothing is open yet: Track … starts." : state === "making"
      ? `Making a video that every browser plays: ${Math.round(100 * share)} %` : state === "failed" ? error : "";
    by("notice").textContent = text || status.job?.said || "";
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
    for (const id of ["card", "queue", "counts", "edits"]) by(id).hidden = Boolean(session.live);
    by("undo").disabled = !session.edits?.length;
    by("redo").disabled = !session.undone?.length;
    by("export").disabled = !session.edits;
    if (session.formats && !by("format").options.length) by("format").append(...session.formats.map((each) => el("option", { value: each }, each)));
    panel.edits(by("edits"), session);
    counts.show(session);
    showTimeline();
    showQueue();
    if (selected !== null && !session.tracks.some((each) => each.id === selected) && !session.more_tracks) select(null);
  }

  function showTimeline() {
    const lanes = panel.lanes(by("timeline"), { session, events, selected, choose: (track) => { if (track !== selected) select(track, true); },
      seek: (number) => moving?.seek(frames.indexOf(number)) });
    [screen.head, screen.mark] = [lanes?.head, lanes?.mark];
    if (screen.now.number !== null) screen.head?.(screen.now.number);
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
    counts.told();
    if (!moving?.playing) by("canvas").setAttribute("aria-label", `Frame ${number}, ${plural(boxes?.length || 0, "box", "boxes")}`);
    clearTimeout(pending);
    if (selected !== null && !moving?.playing) pending = setTimeout(tried(fetchCard), 120);
  }

  const go = (number) => { halt(); moving?.seek(frames.indexOf(number)); };
  function playing() { by("play").textContent = moving?.playing ? "Pause" : "Play"; }
  function toggle() { if (!moving) return; if (moving.playing) moving.pause(); else moving.play(); playing(); if (!moving.playing) frameChanged(); }

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
    if (content === null || asked !== selected) return;
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
  const make = tried(async (change, then) => {
    const empty = { undo: session.edits, redo: session.undone }[change.do]?.length === 0;
    if (empty) { say(`There is nothing to ${change.do}.`); return; }
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
  let doing = Promise.resolve(); // one after the other, however fast keys are
  const edit = (change, then) => { doing = doing.then(() => make(change, then)); return doing; };

  const needs = (act) => () => { if (selected === null) say("select a track first: click its box, or press n", true); else act(); };

  const act = {
    go,
    close: () => select(null),
    rename: (name) => edit({ do: "rename", track: selected, name }).then(() => { if (told && by("rename")) by("rename").value = by("rename").defaultValue = told.name; }),
    reclass: (name) => {
      const wanted = name === "\n" ? prompt("Name of the class") : name;
      if (wanted) edit({ do: "class", track: selected, name: wanted }); else showCard();
    },
    merge: needs(() => waiting.ask("merge", `Merge track ${selected} with track`)),
    swap: needs(() => waiting.ask("swap", `From frame ${screen.now.number} on, swap track ${selected} with track`)),
    split: needs(() => edit({ do: "split", track: selected, frame: screen.now.number })),
    deleteBox: needs(() => edit({ do: "delete", track: selected, first: screen.now.number, last: screen.now.number })),
    deleteTrack: needs(() => edit({ do: "delete", track: selected })),
    edit: needs(() => waiting.place(selected)),
    draw: () => waiting.place(0),
    drawLine: () => counts.trace("line"),
    drawZone: () => counts.trace("zone"),
    look: tried(async () => { await api("/api/suspects", {}); }),
    open: (at) => showEvent(at),
    reviewed: () => {
      const event = events[current];
      if (!event) { showEvent(0); return; }
      const next = events.findIndex((each, at) => at > current && !each.reviewed);
      edit({ do: "reviewed", event: event.key }).then(() => { if (next >= 0) showEvent(next); });
    },
  };

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

  const dialogTrack = () => panel.tracking(by("tracking"), { api, say, begin: async (wanted) => {
    if (session?.live) throw new Error("tracking is under way; stop it first");
    await api("/api/track", wanted);
    say("Tracking begins.");
  } });

  controls({ act: { ...act, toggle, halt, frameChanged, leave: waiting.leave, select, showEvent, undo: () => edit({ do: "undo" }), redo: () => edit({ do: "redo" }),
      say, tried, track: tried(dialogTrack) },
    screen, now: () => ({ session, frames, moving, selected, mode: waiting.mode, current }) });

  window.addEventListener("unhandledrejection", (event) => { event.preventDefault(); say(String(event.reason?.message || event.reason), true); });
  poll();
}
