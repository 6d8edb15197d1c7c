"use strict";
// Boxes on this side: those around where one looks.

const boxes = (() => {
  const WINDOW = 64;
  const WINDOWS = 24;

  /** The boxes around where one looks, fetched so many frames at a time. */
  class Boxes {
    constructor(loaded) {
      this.loaded = loaded;
      this.windows = new Map();
      this.generation = 0;
    }

    clear() { this.windows.clear(); this.generation += 1; }

    /** Forget what reaches beyond a frame: there is more by now. */
    forget(number) {
      for (const key of [...this.windows.keys()]) if ((key + 1) * WINDOW > number) this.windows.delete(key);
    }

    /** Boxes of a frame; undefined while they are on their way. */
    at(number) {
      const key = Math.floor(number / WINDOW);
      const window = this.want(key);
      if ((number % WINDOW) > WINDOW / 2) this.want(key + 1);
      if (!window.columns) return undefined;
      return window.columns(number);
    }

    /** Waits until the boxes of a frame are here. */
    ready(number) { return this.want(Math.floor(number / WINDOW)).loaded; }

    want(key) {
      let window = this.windows.get(key);
      if (!window) {
        window = {};
        this.windows.set(key, window);
        for (const old of this.windows.keys()) if (this.windows.size > WINDOWS) this.windows.delete(old); else break;
        const generation = this.generation;
        const [first, last] = [key * WINDOW, (key + 1) * WINDOW - 1];
        window.loaded = fetch(`/api/boxes?from=${first}&to=${last}`).then((answer) => (answer.status === 200 ? answer.arrayBuffer() : null)).then((buffer) => {
          if (generation !== this.generation || this.windows.get(key) !== window) return;
          if (!buffer) { this.windows.delete(key); return; } // it is closed by now: asked again where it is open
          window.columns = unpack(buffer);
          this.loaded(first, last);
        }, () => this.windows.delete(key));
      }
      return window;
    }
  }

  /** The boxes of one frame at a time, from columns that stay as they came: objects of all would take ten times as much. */
  function unpack(buffer) {
    const n = new Float64Array(buffer, 0, 1)[0];
    const [track, frame] = [new Float64Array(buffer, 8, n), new Float64Array(buffer, 8 + 8 * n, n)];
    const sides = new Float32Array(buffer, 8 + 16 * n, 4 * n);
    const kind = new Int32Array(buffer, 8 + 32 * n, n);
    const [score, key] = [new Uint8Array(buffer, 8 + 36 * n, n), new Uint8Array(buffer, 8 + 37 * n, n)];
    return (number) => {
      const found = [];
      for (let i = frame.indexOf(number); i >= 0 && i < n && frame[i] === number; i += 1) {
        found.push({ track: track[i], box: [...sides.subarray(4 * i, 4 * i + 4)], kind: kind[i], score: score[i] / 100, key: key[i] === 1 });
      }
      return found;
    };
  }

  return { Boxes };
})();
