// A day of a camera's archive on one line of time: the second of the day is the video's own time, gaps are jumped over. Only
// what is near is fetched, by ranges of the segments' bytes; the hub decrypts and verifies what a range touches and nothing
// else. Without this script the page has the same recordings as single films.
import { call } from "./api.js";

const AHEAD_S = 20;
const BEHIND_S = 30;
const AT_ONCE = 2 << 20;
// A player stops at the smallest hole.
const HOLE_S = 0.3;
const Source = window.ManagedMediaSource || window.MediaSource;

function wordsOf(place, word) {
  return place.dataset[`say${word[0].toUpperCase()}${word.slice(1)}`] || "";
}

class Archive {
  constructor(place) {
    this.place = place;
    this.video = place.querySelector("video");
    this.still = place.querySelector("img");
    this.status = place.querySelector("[role=status]");
    this.line = place.querySelector("input[type=range]");
    this.clock = place.querySelector("output");
    this.path = `/api/v1/cameras/${place.dataset.archive}`;
    this.from = Number(place.dataset.from);
    this.to = Number(place.dataset.to);
    this.zone = place.dataset.zone;
    this.indexes = new Map();
    this.run = 0;
    place.querySelector("[data-needs-script]").hidden = false;
    this.line.addEventListener("input", () => this.show(Number(this.line.value)));
    this.line.addEventListener("change", () => this.go(Number(this.line.value)));
    for (const button of place.querySelectorAll("button[data-go]")) {
      button.addEventListener("click", () => this.go(Number(button.dataset.go)));
    }
    for (const button of place.querySelectorAll("button[data-step]")) {
      button.addEventListener("click", () => this.go(this.now() + Number(button.dataset.step)));
    }
    this.video.addEventListener("timeupdate", () => this.moved());
    this.video.addEventListener("waiting", () => this.moved());
    this.video.addEventListener("seeking", () => this.sought());
    this.video.addEventListener("error", () => this.say("broken"));
    this.load().catch((error) => this.say("broken", error.message));
  }

  say(word, more) {
    this.place.dataset.now = word;
    const words = wordsOf(this.place, word);
    this.status.textContent = more ? `${words} ${more}` : words;
  }

  async load() {
    const segments = [];
    let cursor = "";
    do {
      const page = await call("GET", `${this.path}/segments?from=${this.iso(0)}&to=${this.iso(this.length())}&limit=500${cursor}`);
      segments.push(...page.segments);
      cursor = page.next ? `&cursor=${page.next}` : "";
    } while (cursor);
    this.segments = segments
      .filter((one) => one.playable)
      .map((one) => ({ ...one, start: this.second(one.started), end: this.second(one.ended) }));
    const wanted = Number(this.place.dataset.at);
    if (this.segments.length === 0) this.say("empty");
    else this.go(Number.isFinite(wanted) && wanted > 0 ? wanted : this.segments[0].start, false);
  }

  length() {
    return (this.to - this.from) / 1000;
  }

  second(moment) {
    return (Date.parse(moment) - this.from) / 1000;
  }

  iso(second) {
    return encodeURIComponent(new Date(this.from + second * 1000).toISOString());
  }

  now() {
    return this.pictures ? this.at : this.video.currentTime;
  }

  show(second) {
    const text = new Intl.DateTimeFormat(document.documentElement.lang, {
      timeStyle: "medium",
      timeZone: this.zone,
    }).format(this.from + second * 1000);
    this.clock.textContent = text;
    this.line.setAttribute("aria-valuetext", text);
  }

  // The segment that holds a second, or the next one after it.
  find(second) {
    return this.segments.find((one) => one.end > second);
  }

  async go(second, play = true) {
    const wanted = Math.min(Math.max(second, 0), this.length());
    const segment = this.find(wanted);
    if (!segment) {
      this.say("over");
      return;
    }
    const at = Math.max(wanted, segment.start);
    this.pictures = undefined;
    this.video.hidden = segment.media !== "mp4";
    this.still.hidden = segment.media === "mp4";
    this.line.value = String(Math.round(at));
    this.show(at);
    if (segment.media !== "mp4") {
      this.video.pause();
      this.flip(segment, at);
      return;
    }
    await this.open();
    this.video.currentTime = at;
    this.fill(at).catch((error) => this.trouble(error));
    if (play) this.video.play()?.catch(() => {});
  }

  async open() {
    if (this.source?.readyState === "open") return;
    if (!Source) throw new Error(wordsOf(this.place, "noPlayer"));
    const source = new Source();
    this.source = source;
    this.buffer = undefined;
    this.video.disableRemotePlayback = true;
    const opened = new Promise((go) => source.addEventListener("sourceopen", go, { once: true }));
    this.video.src = URL.createObjectURL(source);
    await opened;
    source.duration = this.length();
  }

  sought() {
    if (this.pictures) return;
    const at = this.video.currentTime;
    if (!this.has(at)) this.fill(at).catch((error) => this.trouble(error));
  }

  has(at) {
    const ranges = this.buffer?.buffered;
    for (let number = 0; number < (ranges?.length || 0); number += 1) {
      if (ranges.start(number) <= at && ranges.end(number) > at + 0.1) return ranges.end(number);
    }
    return 0;
  }

  async index(segment) {
    const known = this.indexes.get(segment.id);
    if (known) return known;
    const index = await call("GET", `${this.path}/segments/${segment.id}`);
    if (this.indexes.size > 32) this.indexes.clear();
    this.indexes.set(segment.id, index);
    return index;
  }

  async bytes(segment, from, to) {
    const answer = await fetch(`${this.path}/segments/${segment.id}/video`, {
      credentials: "same-origin",
      cache: "no-store",
      headers: { range: `bytes=${from}-${to - 1}` },
    });
    if (answer.status !== 206) {
      const problem = await answer.json().catch(() => ({}));
      throw new Error(problem.title || answer.statusText);
    }
    return answer.arrayBuffer();
  }

  // Fetches from a second on, as far ahead as is wanted, and then whenever the video comes near to the end of it.
  async fill(from) {
    this.run += 1;
    const run = this.run;
    await this.idle();
    if (run !== this.run) return;
    if (this.buffer) {
      this.buffer.abort();
      await this.remove(0, Infinity);
    }
    let segment = this.find(from);
    let at = from;
    while (segment && run === this.run && segment.media === "mp4") {
      try {
        at = await this.fetch(segment, at, run);
      } catch (error) {
        // One that is damaged is passed over, and said.
        this.trouble(error);
      }
      const after = segment;
      segment = this.segments.find((one) => one.start >= after.start && one !== after && one.end > after.end);
      if (segment) at = segment.start;
    }
  }

  async fetch(segment, from, run) {
    const index = await this.index(segment);
    if (run !== this.run) return from;
    const mime = index.mime;
    if (!Source.isTypeSupported(mime)) throw new Error(wordsOf(this.place, mime.includes("hvc1") ? "noH265" : "noPlayer"));
    await this.type(mime);
    await this.idle();
    if (run !== this.run) return from;
    this.buffer.timestampOffset = segment.start;
    await this.append(await this.bytes(segment, 0, index.head));
    const ms = (from - segment.start) * 1000;
    const parts = index.fragments;
    let next = 0;
    for (let number = 0; number < parts.length; number += 1) {
      if (parts[number].group && parts[number].start_ms <= ms) next = number;
    }
    while (next < parts.length && run === this.run) {
      await this.near(run);
      if (run !== this.run) return from;
      const first = parts[next];
      let last = next;
      while (last + 1 < parts.length && parts[last + 1].offset + parts[last + 1].bytes - first.offset <= AT_ONCE) last += 1;
      const data = await this.bytes(segment, first.offset, parts[last].offset + parts[last].bytes);
      if (run !== this.run) return from;
      await this.append(data);
      // Over a gap nothing moves by itself.
      this.moved();
      this.say("playing");
      next = last + 1;
    }
    return segment.end;
  }

  // Until so little is left of what is there that more is wanted; at the edge of a gap that is nothing.
  async near(run) {
    while (run === this.run && this.has(this.video.currentTime) > this.video.currentTime + AHEAD_S) {
      await new Promise((go) => setTimeout(go, 500));
    }
  }

  async type(mime) {
    await this.idle();
    if (!this.buffer) this.buffer = this.source.addSourceBuffer(mime);
    else if (this.mime !== mime && this.buffer.changeType) this.buffer.changeType(mime);
    this.mime = mime;
  }

  idle() {
    if (!this.buffer?.updating) return Promise.resolve();
    return new Promise((go) => this.buffer.addEventListener("updateend", go, { once: true }));
  }

  async remove(from, to) {
    await this.idle();
    if (this.buffer.buffered.length === 0) return;
    this.buffer.remove(from, to);
    await this.idle();
  }

  async append(data) {
    for (const keep of [BEHIND_S, 5, 1]) {
      await this.idle();
      if (this.source.readyState === "ended") this.buffer.abort();
      const old = this.video.currentTime - keep;
      if (old > 0 && this.buffer.buffered.length > 0 && this.buffer.buffered.start(0) < old - BEHIND_S) {
        await this.remove(0, old);
      }
      try {
        this.buffer.appendBuffer(data);
        await this.idle();
        return;
      } catch (error) {
        if (error.name !== "QuotaExceededError") throw error;
        await new Promise((go) => setTimeout(go, 1000));
      }
    }
    throw new Error(wordsOf(this.place, "broken"));
  }

  // Over what was not recorded, and over holes that only rounding made.
  moved() {
    if (this.pictures || !this.buffer) return;
    const at = this.video.currentTime;
    if (document.activeElement !== this.line) this.line.value = String(Math.round(at));
    this.show(at);
    if (this.video.seeking) return;
    const end = this.has(at);
    if (end) return;
    const ranges = this.buffer.buffered;
    for (let number = 0; number < ranges.length; number += 1) {
      if (ranges.start(number) > at - HOLE_S && ranges.end(number) > at + 0.1) {
        this.video.currentTime = ranges.start(number) + 0.01;
        return;
      }
    }
  }

  trouble(error) {
    this.say("damaged", error.message);
  }

  // Pictures one by one.
  async flip(segment, from) {
    this.run += 1;
    const run = this.run;
    this.pictures = true;
    let one = segment;
    let at = from;
    while (one && run === this.run) {
      const index = await this.index(one);
      for (const picture of index.pictures || []) {
        const second = one.start + picture.start_ms / 1000;
        if (second < at || run !== this.run) continue;
        const begun = performance.now();
        this.still.src = `${this.path}/segments/${one.id}/pictures/${picture.number}`;
        await this.still.decode().catch(() => {});
        this.at = second;
        this.line.value = String(Math.round(second));
        this.show(second);
        this.say("playing");
        const rest = Math.max(picture.duration_ms, 250) - (performance.now() - begun);
        if (rest > 0) await new Promise((go) => setTimeout(go, rest));
      }
      const after = one;
      one = this.segments.find((other) => other.start >= after.start && other !== after && other.media !== "mp4");
      at = one?.start ?? at;
    }
  }
}

for (const place of document.querySelectorAll("[data-archive]")) new Archive(place);
