"use strict";
// Frames by number: of a video that plays, of images, or of nothing. Each hands on the picture that is shown together
// with the index of its frame, so that boxes never lie over another frame than their own.

const player = (() => {
  /** Numbers and times of the frames there are, ascending. */
  class Frames {
    constructor(buffer) {
      const all = new Float64Array(buffer);
      this.length = all.length / 2;
      this.numbers = all.subarray(0, this.length);
      this.seconds = all.subarray(this.length);
    }

    /** How many values are not above another one. */
    static upTo(values, value) {
      let [low, high] = [0, values.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (values[middle] <= value) low = middle + 1; else high = middle;
      }
      return low;
    }

    /** The place of the last value that is not above another one; at least 0. */
    static place(values, value) { return Math.max(Frames.upTo(values, value) - 1, 0); }

    indexOf(number) { return Frames.place(this.numbers, number); }

    /** The frame whose time is nearest: stamps are rounded on their way. */
    nearest(seconds) {
      const at = Frames.place(this.seconds, seconds);
      const next = Math.min(at + 1, this.length - 1);
      return Math.abs(this.seconds[next] - seconds) < Math.abs(this.seconds[at] - seconds) ? next : at;
    }

    /** A time in the middle of those at which a frame is shown. */
    middle(index) {
      const [here, next] = [this.seconds[index], this.seconds[index + 1]];
      if (next !== undefined) return (here + next) / 2;
      return here + (index ? Math.min((here - this.seconds[index - 1]) / 2, 0.02) : 0);
    }
  }

  class Base {
    constructor(frames, shown) {
      this.frames = frames;
      this.shown = shown;
      this.index = -1;
      this.target = 0;
      this.playing = false;
      this.rate = 1;
    }

    clamp(index) { return Math.min(Math.max(Math.round(index), 0), this.frames.length - 1); }

    step(by) { this.pause(); this.seek((this.busy ? this.target : this.index) + by); }
  }

  let spare = null; // 8 MB for a frame of 1080 lines, used again

  /** A picture of a frame from its values: Chromium keeps half a gigabyte of frames that are drawn as they are. */
  async function bitmapOf(picture) {
    try {
      const { width, height } = picture.visibleRect;
      const values = spare?.length === 4 * width * height ? spare : new Uint8ClampedArray(4 * width * height);
      spare = null;
      await picture.copyTo(values, { format: "RGBA" });
      const bitmap = await createImageBitmap(new ImageData(values, width, height));
      spare = values;
      return bitmap;
    } catch {
      return createImageBitmap(picture); // a browser that has no frames, or cannot convert them
    }
  }

  class VideoPlayer extends Base {
    constructor(video, frames, shown) {
      super(frames, shown);
      this.video = video;
      this.busy = false;
      this.closed = false;
      this.grabs = 0;
      this.bitmap = null;
      this.listeners = new AbortController();
      const listen = (name, heard) => video.addEventListener(name, heard, { signal: this.listeners.signal });
      this.ready = new Promise((done, failed) => {
        listen("loadeddata", done);
        listen("error", () => failed(new Error(video.error?.message || "the browser cannot play this video")));
      });
      listen("seeked", () => this.seeked());
      listen("ended", () => { this.playing = false; this.seek(this.frames.length - 1); this.changed?.(); });
      video.src = `/media/video?${Date.now()}`;
      if (video.requestVideoFrameCallback) this.listen(); else listen("timeupdate", () => this.grab(video.currentTime));
      this.ready.then(() => this.seek(this.target), () => {});
    }

    listen() {
      this.video.requestVideoFrameCallback((_, told) => {
        if (this.closed) return;
        this.listen();
        this.grab(told.mediaTime);
      });
    }

    /** Take the frame that the video shows now, which knows its own time best. */
    async grab(seconds) {
      this.grabs += 1;
      const mine = this.grabs;
      let [picture, bitmap] = [this.video, null];
      try {
        if (window.VideoFrame) picture = new VideoFrame(this.video);
        const index = this.frames.nearest(picture.timestamp === undefined ? seconds : picture.timestamp / 1e6);
        bitmap = await bitmapOf(picture);
        if (mine === this.grabs && !this.closed) this.give(index, bitmap); else bitmap.close();
      } catch {
        // none is decoded yet
      } finally {
        picture.close?.();
      }
    }

    give(index, bitmap) {
      const before = this.bitmap;
      this.index = index;
      this.bitmap = bitmap;
      this.shown(index, bitmap);
      before?.close();
    }

    get size() { return [this.video.videoWidth, this.video.videoHeight]; }

    /** While a seek is under way only the newest wish is kept: scrubbing never queues. */
    seek(index) {
      this.target = this.clamp(index);
      if (this.busy || this.video.readyState < 1) return;
      if (this.target === this.index && !this.playing) return;
      this.tried = false;
      this.move();
    }

    seeked() {
      this.busy = false;
      if (this.target !== this.sought) {
        this.seek(this.target);
        return;
      }
      setTimeout(() => this.check(), 150);
    }

    /**
     * Browsers do not reach every frame: one that was there already is not presented again, a header may say that the
     * video ends before it does, and durations of frames out of order may be wrong. Then the server decodes it.
     */
    async check() {
      const passed = () => this.closed || this.busy || this.playing || this.index === this.target;
      if (passed()) return;
      await this.grab(this.video.currentTime);
      if (passed()) return;
      if (!this.tried) {
        this.tried = true;
        this.move();
        return;
      }
      const wanted = this.target;
      const picture = await loadImage(this.frames.numbers[wanted]);
      if (passed() || this.target !== wanted) return;
      this.grabs += 1;
      this.give(wanted, picture);
    }

    move() {
      this.busy = true;
      this.sought = this.target;
      this.asked?.(this.frames.numbers[this.sought]);
      this.video.currentTime = this.frames.middle(this.target);
    }

    play() {
      if (this.index >= this.frames.length - 1) this.seek(0);
      this.playing = true;
      this.video.playbackRate = this.rate;
      this.video.play().catch(() => { this.playing = false; this.changed?.(); });
    }

    pause() {
      if (!this.playing) return;
      this.playing = false;
      this.video.pause();
      this.target = this.index;
    }

    speed(rate) { this.rate = rate; this.video.playbackRate = rate; }

    close() {
      this.closed = true;
      this.listeners.abort();
      this.video.pause();
      this.video.removeAttribute("src");
      this.video.load();
    }
  }

  const KEPT = 24;
  const AHEAD = 4;

  /** Images one by one; `load` null shows nothing but boxes. */
  class ImagePlayer extends Base {
    constructor(frames, shown, size, load) {
      super(frames, shown);
      this.size = size;
      this.load = load;
      this.kept = new Map();
      this.ready = Promise.resolve();
      this.seek(0);
    }

    picture(index) {
      if (!this.load) return Promise.resolve(null);
      if (!this.kept.has(index)) {
        this.kept.set(index, this.load(this.frames.numbers[index]).catch(() => null));
        for (const [old, promise] of this.kept) {
          if (this.kept.size <= KEPT) break;
          this.kept.delete(old);
          promise.then((picture) => { if (this.current !== picture) picture?.close(); });
        }
      }
      return this.kept.get(index);
    }

    async seek(index) {
      this.target = this.clamp(index);
      if (this.busy) return;
      this.busy = true;
      while (!this.closed) {
        const wanted = this.target;
        const picture = await this.picture(wanted);
        this.index = wanted;
        this.current = picture;
        if (picture) this.size = [picture.width, picture.height];
        if (!this.closed) this.shown(wanted, picture);
        if (this.target === wanted) break;
      }
      this.busy = false;
    }

    play() {
      this.playing = true;
      let [start, from] = [performance.now(), this.frames.seconds[this.index >= this.frames.length - 1 ? 0 : this.index]];
      const tick = (now) => {
        if (!this.playing) return;
        const due = from + ((now - start) / 1000) * this.rate;
        const index = Frames.place(this.frames.seconds, due);
        if (this.busy) [start, from] = [now, this.frames.seconds[this.target]]; // time waits for what is slow
        else if (index !== this.index) this.seek(index);
        for (let next = index + 1; next <= index + AHEAD && next < this.frames.length; next += 1) this.picture(next);
        if (index < this.frames.length - 1) {
          requestAnimationFrame(tick);
        } else {
          this.playing = false;
          this.seek(index);
          this.changed?.();
        }
      };
      requestAnimationFrame(tick);
    }

    pause() { this.playing = false; }

    speed(rate) {
      const playing = this.playing;
      this.rate = rate;
      if (playing) { this.pause(); requestAnimationFrame(() => this.play()); }
    }

    close() { this.closed = true; this.pause(); }
  }

  async function loadImage(number) {
    const answer = await fetch(`/media/frame/${number}`);
    return createImageBitmap(await answer.blob());
  }

  return { Frames, VideoPlayer, ImagePlayer, loadImage };
})();
