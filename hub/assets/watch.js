// A camera as it is now: pieces of MP4 over a WebSocket into Media Source, or, of a camera that sends single pictures, one
// picture after the other. What the page is to say came with it, in the figure's data.

const BEHIND_S = 1.5;
const EDGE_S = 0.4;
const KEEP_S = 20;
const MOST_WAITING = 64 << 20;
const HIDDEN_MS = 30_000;
const AGAIN_MS = [500, 1000, 2000, 4000, 8000];
const PICTURE_MS = 200;
// ManagedMediaSource is what an iPhone has.
const Source = window.ManagedMediaSource || window.MediaSource;

function wordsOf(place, word) {
  return place.dataset[`say${word[0].toUpperCase()}${word.slice(1)}`] || "";
}

class Watch {
  constructor(place) {
    this.place = place;
    this.video = place.querySelector("video");
    this.still = place.querySelector("img");
    this.status = place.querySelector("[role=status]");
    this.path = `/api/v1/cameras/${place.dataset.camera}`;
    this.tries = 0;
    // A page that was opened is watched; one that lies in the background for long is not.
    document.addEventListener("visibilitychange", () => this.turn());
    window.addEventListener("pagehide", () => this.stop());
    window.addEventListener("pageshow", (event) => event.persisted && this.begin());
    this.video.addEventListener("play", () => this.follow(true));
    this.video.addEventListener("waiting", () => this.follow());
    this.video.addEventListener("playing", () => this.showing());
    this.video.addEventListener("error", () => this.broken());
    setInterval(() => this.follow(), 500);
    this.begin();
  }

  say(word, more) {
    const words = wordsOf(this.place, word);
    this.place.dataset.now = word;
    const text = more ? `${words} ${more}` : words;
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  begin() {
    clearTimeout(this.again);
    this.stop();
    const address = new URL(`${this.path}/live`, window.location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    // With blobs, pieces that are read at the same time could change places.
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => (typeof data === "string" ? this.told(JSON.parse(data)) : this.got(data));
    socket.onclose = ({ code, reason }) => this.closed(socket, code, reason);
    this.socket = socket;
  }

  stop() {
    const socket = this.socket;
    this.socket = undefined;
    socket?.close();
    this.pulling = undefined;
    this.forget();
  }

  turn() {
    clearTimeout(this.hiding);
    if (document.hidden) {
      this.hiding = setTimeout(() => this.stop(), HIDDEN_MS);
    } else if (!this.socket) {
      this.begin();
    }
  }

  closed(socket, code, reason) {
    if (socket !== this.socket) return;
    this.socket = undefined;
    if (code === 1008) {
      // The session is over, or the right was taken away: nothing stays on the screen.
      this.forget();
      this.video.hidden = true;
      this.still.hidden = true;
      this.say("ended", reason);
      return;
    }
    this.say(code === 1013 ? "full" : "lost");
    const wait = AGAIN_MS[Math.min(this.tries, AGAIN_MS.length - 1)];
    this.tries += 1;
    this.again = setTimeout(() => document.hidden || this.begin(), wait);
  }

  told(said) {
    if (said.type === "begins") {
      this.pulling = undefined;
      this.mime = said.mime;
      if (!Source || !Source.isTypeSupported(said.mime)) {
        this.mime = undefined;
        this.say(said.mime.includes("hvc1") ? "noH265" : "noPlayer");
        this.socket?.send(JSON.stringify({ type: "no-video" }));
        this.pull(5000);
      }
    } else if (said.type === "pictures") {
      this.pull(PICTURE_MS);
    } else if (said.type === "unplayable") {
      this.say("unplayable", said.why);
    } else if (said.type === "dropped") {
      this.place.dataset.dropped = String(Number(this.place.dataset.dropped || 0) + said.pictures);
    } else if (said.type === "state") {
      this.state = said.state;
      const { paused, readyState } = this.video;
      if (said.state !== "online") this.say("away", said.words);
      else if (this.place.dataset.now === "away") this.say(!paused && readyState > 2 ? "live" : "starting");
    }
  }

  // 20 bytes of heading: kind, flags, 2 of nothing, number, length in ms, when the first picture was taken.
  got(buffer) {
    this.tries = 0;
    const head = new DataView(buffer, 0, 20);
    const number = head.getUint32(4);
    if (!this.mime) {
      this.have(number);
      return;
    }
    const bytes = new Uint8Array(buffer, 20);
    if (head.getUint8(0) === 0) this.initialise(bytes);
    const piece = { bytes, number, init: head.getUint8(0) === 0 };
    if (!piece.init) this.newest = Number(head.getBigInt64(12)) + head.getUint32(8);
    this.waiting.push(piece);
    this.waitingBytes += bytes.length;
    if (this.waitingBytes > MOST_WAITING) {
      // This browser takes nothing any more.
      this.socket?.close(4000);
      return;
    }
    this.append();
  }

  initialise() {
    if (this.source?.readyState === "open" && this.buffer && this.playing === this.mime) return;
    this.forget();
    const source = new Source();
    this.source = source;
    this.playing = this.mime;
    // Without it there is no sourceopen on an iPhone.
    this.video.disableRemotePlayback = true;
    this.url = URL.createObjectURL(source);
    source.addEventListener(
      "sourceopen",
      () => {
        if (source !== this.source) return;
        this.buffer = source.addSourceBuffer(this.playing);
        this.buffer.addEventListener("updateend", () => this.appended());
        this.append();
      },
      { once: true },
    );
    this.video.src = this.url;
    // Some browsers decode nothing that is not to be seen.
    this.video.hidden = false;
    this.video.play()?.catch(() => {});
  }

  forget() {
    this.waiting = [];
    this.waitingBytes = 0;
    this.buffer = undefined;
    this.source = undefined;
    if (this.url) {
      URL.revokeObjectURL(this.url);
      this.video.removeAttribute("src");
      this.video.load();
      this.url = undefined;
    }
  }

  append() {
    const { buffer, source } = this;
    if (!buffer || buffer.updating || source.readyState !== "open" || this.waiting.length === 0) return;
    const [piece] = this.waiting;
    try {
      if (piece.init && buffer.buffered.length > 0) {
        // Another run of the camera begins at zero: it follows what is there.
        buffer.abort();
        buffer.timestampOffset = buffer.buffered.end(buffer.buffered.length - 1);
      }
      buffer.appendBuffer(piece.bytes);
    } catch (error) {
      if (error.name === "QuotaExceededError" && this.trim(2)) return;
      this.broken();
      return;
    }
    this.waiting.shift();
    this.waitingBytes -= piece.bytes.length;
    this.have(piece.number);
  }

  appended() {
    this.follow();
    if (!this.trim(KEEP_S)) this.append();
  }

  have(number) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ have: number }));
  }

  trim(keep) {
    const { buffer, video } = this;
    if (!buffer || buffer.updating || buffer.buffered.length === 0) return false;
    const edge = buffer.buffered.end(buffer.buffered.length - 1);
    const until = Math.min(edge - keep, video.paused ? edge - keep : video.currentTime - keep / 2);
    if (until - buffer.buffered.start(0) < keep / 2) return false;
    buffer.remove(0, until);
    return true;
  }

  // To the live edge, where the page has fallen behind it, or lies before what is there.
  follow(at_once) {
    const { buffer, video } = this;
    if (!buffer || buffer.buffered.length === 0) return;
    const last = buffer.buffered.length - 1;
    const [start, end] = [buffer.buffered.start(last), buffer.buffered.end(last)];
    const behind = end - video.currentTime;
    this.place.dataset.behindMs = String(Math.round(behind * 1000));
    if (this.newest) this.place.dataset.lagMs = String(Math.round(Date.now() - this.newest + behind * 1000));
    if (video.seeking || (video.paused && !at_once && video.currentTime >= start)) return;
    if (video.currentTime < start || behind > BEHIND_S || at_once) {
      video.currentTime = Math.max(start, end - EDGE_S);
    }
    // What is a little late catches up without a jump.
    video.playbackRate = behind > 0.9 && behind <= BEHIND_S ? 1.08 : 1;
  }

  showing() {
    this.video.hidden = false;
    this.still.hidden = true;
    if (this.state !== "offline") this.say("live");
  }

  broken() {
    if (!this.socket) return;
    this.say("lost");
    // A new Media Source, and with it a new decoder, is what helps.
    const socket = this.socket;
    this.closed(socket, 4001, "");
    socket.close();
    this.forget();
  }

  // One picture after the other; the hub answers when there is a newer one.
  async pull(pause) {
    const mine = {};
    this.pulling = mine;
    this.video.hidden = true;
    this.still.hidden = false;
    let after = "";
    while (this.pulling === mine) {
      const begun = performance.now();
      try {
        const answer = await fetch(`${this.path}/picture?live=true${after && `&after=${after}`}`, {
          credentials: "same-origin",
          cache: "no-store",
          headers: { "x-domovoi-resting": "1" },
        });
        if (answer.status === 200 && this.pulling === mine) {
          after = answer.headers.get("x-domovoi-picture") || "";
          const url = URL.createObjectURL(await answer.blob());
          this.still.src = url;
          await this.still.decode().catch(() => {});
          URL.revokeObjectURL(url);
          this.place.dataset.pictures = String(Number(this.place.dataset.pictures || 0) + 1);
          if (pause === PICTURE_MS) this.say("live");
        } else if (answer.status >= 400) {
          await new Promise((go) => setTimeout(go, 2000));
        }
      } catch {
        await new Promise((go) => setTimeout(go, 2000));
      }
      const rest = pause - (performance.now() - begun);
      if (rest > 0) await new Promise((go) => setTimeout(go, rest));
    }
  }
}

for (const place of document.querySelectorAll("[data-camera]")) new Watch(place);
