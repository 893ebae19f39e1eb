// What the pages share: tables kept by deltas, the engine's clock, words for times. All text is text: no markup anywhere.
import { reactive, shallowReactive } from "vue";

export const RANK = { critical: 0, major: 1, minor: 2, info: 3 };
export const GLYPHS = { critical: "◆", major: "▲", minor: "●", info: "○" };
export const MARKS = { offline: "✕", stopped: "■", locked: "⊘" };

// `now`: the server's time in ms, moved every second; `heard`: when the server last had news, in performance.now() ms.
export const clock = reactive({ now: 0, heard: 0, lost: 0, newest: null, devices: 0 });
let polled = 0;

export function hear(status) {
  if (status.polled !== polled) {
    polled = status.polled;
    clock.heard = performance.now();
  }
  clock.newest = status.message;
  clock.devices = status.devices;
  tick();
}

export function tick() {
  clock.lost = clock.heard ? performance.now() - clock.heard : performance.now();
  clock.now = polled ? polled + clock.lost : 0;
}

export const newTable = () => shallowReactive(new Map());

export function change(table, delta) {
  if (!delta) return;
  for (const id of delta.gone) table.delete(id);
  for (const row of delta.put) table.set(row.id, row);
}

export const worstFirst = (a, b) =>
  (RANK[a.severity] ?? 9) - (RANK[b.severity] ?? 9) ||
  (a.state === "pending") - (b.state === "pending") ||
  b.since - a.since;

export function duration(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} m`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} m`;
  return `${Math.floor(seconds / 86400)} d`;
}

export function clockTime(ms) {
  const at = new Date(ms);
  const time = at.toLocaleTimeString("en-GB");
  const today = new Date(clock.now || Date.now()).toDateString() === at.toDateString();
  return today ? time : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

const two = (number) => String(number).padStart(2, "0");

export const deviceLink = (key) => `/device?key=${encodeURIComponent(key)}`;

export function text(value) {
  if (value === null || value === undefined) return "missing";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

// Severity as shape + word + colour, hollow while pending.
export const Severity = {
  props: { level: String, state: String },
  template: `<span class="sev" :class="[level, state]"><i class="shape" aria-hidden="true">{{ glyph }}</i>{{ level }}</span>`,
  computed: { glyph: (self) => GLYPHS[self.level] ?? "·" },
};

export const Age = {
  props: { since: Number },
  template: `<span class="age">{{ words }}</span>`,
  computed: {
    words: (self) => {
      const ms = clock.now - self.since;
      return ms < 10000 ? `${Math.max(0, Math.floor(ms / 1000))} s` : duration(ms);
    },
  },
};

export const Moment = {
  props: { at: Number },
  template: `<time :datetime="iso">{{ words }}</time>`,
  computed: { iso: (self) => new Date(self.at).toISOString(), words: (self) => clockTime(self.at) },
};
