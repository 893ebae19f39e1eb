// The whole fleet on one canvas, grouped by site, worst marks first to the eye; and the same as a table for everybody.
import { GLYPHS, MARKS, Moment, RANK, Severity, change, deviceLink, newTable, worstFirst } from "iotrules-shared";

const BIG = { width: 148, height: 40, gap: 5 }; // a cell with the device's name
const SMALL = { width: 17, height: 17, gap: 2 }; // a cell with its shape only
const NAMED_UP_TO = 300;
const TABLE_AT_FIRST = 500;
const HEAD = 30;
const SITE_GAP = 14;

export default {
  components: { Moment, Severity },
  template: `
    <div class="page fleet">
      <div class="row">
        <h1>Fleet</h1>
        <ul v-if="ready" class="counts" aria-label="devices">
          <li v-for="[word, glyph, count] in legend" :key="word" :class="[word, { none: !count }]">
            <i class="shape" aria-hidden="true">{{ glyph }}</i><b>{{ count }}</b> {{ word }}
          </li>
        </ul>
        <button class="switch" :aria-pressed="String(asTable)" @click="asTable = !asTable" aria-keyshortcuts="t">
          {{ asTable ? "grid" : "table" }} view
        </button>
      </div>
      <div v-if="!ready" class="empty">reading the store</div>
      <div v-else-if="!cells.size" class="empty">
        <p>No device has been heard yet.</p>
        <p>A device shows up here with its first message on a stream of the rule files.</p>
      </div>
      <template v-else>
        <div v-show="!asTable" ref="box" class="canvas-box">
          <canvas ref="canvas" tabindex="0" role="img" :aria-label="label" aria-describedby="fleet-here"
            @click="click" @mousemove="hover" @mouseleave="here = -1" @keydown="key"></canvas>
        </div>
        <p v-show="!asTable" id="fleet-here" class="here" role="status">
          <template v-if="current"><b>{{ current.device }}</b> · {{ current.site || "no site" }} · {{ words(current) }}</template>
          <template v-else>point at a device, or move with the arrow keys and open with Enter; t switches to the table</template>
        </p>
        <table v-if="asTable" role="table" class="devices" aria-label="devices">
          <thead role="rowgroup"><tr role="row">
            <th v-for="name in ['site', 'device', 'alert', 'marks', 'cause']" :key="name" role="columnheader" scope="col">{{ name }}</th>
          </tr></thead>
          <tbody role="rowgroup">
            <tr v-for="cell in listed" :key="cell.id" role="row" :class="[cell.severity, cell.state]">
              <td role="cell">{{ cell.site }}</td>
              <td role="cell"><a :href="link(cell.id)">{{ cell.device }}</a></td>
              <td role="cell"><severity v-if="cell.severity" :level="cell.severity" :state="cell.state" /><span v-if="cell.severity" class="state" :class="cell.state">{{ cell.state }}</span><span v-else class="quiet">ok</span></td>
              <td role="cell">{{ cell.marks.join(", ") }} <template v-if="cell.seen">since <moment :at="cell.seen" /></template></td>
              <td role="cell" class="c-cause">{{ cell.cause }}</td>
            </tr>
          </tbody>
        </table>
        <p v-if="asTable && cells.size > listed.length" class="more">
          showing the {{ listed.length }} worst of {{ cells.size }} <button @click="all = true">show all</button>
        </p>
      </template>
    </div>`,
  data: () => ({ cells: newTable(), ready: false, asTable: location.hash === "#table", all: false, here: -1 }),
  computed: {
    listed() {
      const rows = [...this.cells.values()].sort(worstCell);
      return this.all ? rows : rows.slice(0, TABLE_AT_FIRST);
    },
    sites() {
      const sites = new Map();
      for (const cell of this.cells.values()) {
        if (!sites.has(cell.site)) sites.set(cell.site, []);
        sites.get(cell.site).push(cell);
      }
      const byName = new Intl.Collator("en", { numeric: true }).compare;
      for (const cells of sites.values()) cells.sort((a, b) => byName(a.device, b.device));
      return [...sites.entries()].sort((a, b) => byName(a[0], b[0]));
    },
    order: (self) => self.sites.flatMap(([, cells]) => cells),
    current: (self) => self.order[self.here] ?? null,
    legend() {
      const count = (test) => [...this.cells.values()].filter(test).length;
      const levels = Object.keys(RANK).map((word) => [word, GLYPHS[word], count((cell) => cell.severity === word)]);
      const marks = Object.keys(MARKS).map((word) => [word, MARKS[word], count((cell) => cell.marks.includes(word))]);
      return [...levels, ...marks, ["ok", "·", count((cell) => !cell.severity && !cell.marks.length)]];
    },
    label() {
      const counts = this.legend.filter(([, , count]) => count).map(([word, , count]) => `${count} ${word}`);
      return `${this.cells.size} devices on ${this.sites.length} sites: ${counts.join(", ")}. The table view lists them.`;
    },
  },
  watch: {
    sites: "redraw",
    here: "redraw",
    asTable(now) {
      history.replaceState(null, "", now ? "#table" : "#");
      this.redraw();
    },
  },
  methods: {
    link: deviceLink,
    apply(changes) {
      change(this.cells, changes.fleet);
      this.ready = true;
      this.redraw();
    },
    words(cell) {
      const alert = cell.severity ? `${GLYPHS[cell.severity]} ${cell.severity} ${cell.state}, ${cell.cause}` : "no alert";
      return [alert, ...cell.marks].join(" · ");
    },
    // Where everything is: [{cell, x, y, width, height}] in the order of `order`, and the sites' heads.
    layout(width) {
      const named = this.cells.size <= NAMED_UP_TO;
      const size = named ? { ...BIG } : { ...SMALL };
      const columns = Math.max(1, Math.floor((width + size.gap) / (size.width + size.gap)));
      if (named) size.width = Math.floor((width + size.gap) / columns) - size.gap;
      const boxes = [];
      const heads = [];
      let y = 0;
      for (const [site, cells] of this.sites) {
        heads.push({ site, cells, y });
        y += HEAD;
        cells.forEach((cell, index) => {
          const x = (index % columns) * (size.width + size.gap);
          const top = y + Math.floor(index / columns) * (size.height + size.gap);
          boxes.push({ cell, x, y: top, width: size.width, height: size.height });
        });
        y += Math.ceil(cells.length / columns) * (size.height + size.gap) + SITE_GAP;
      }
      return { boxes, heads, columns, named, height: y };
    },
    redraw() {
      if (this.pending) return;
      this.pending = requestAnimationFrame(() => {
        this.pending = 0;
        this.draw();
      });
    },
    draw() {
      const canvas = this.$refs.canvas;
      if (!canvas || this.asTable) return;
      this.observe();
      const width = Math.floor(this.$refs.box.clientWidth);
      const plan = (this.plan = this.layout(width));
      const scale = window.devicePixelRatio || 1;
      canvas.width = width * scale;
      canvas.height = plan.height * scale;
      canvas.style.width = `${width}px`;
      canvas.style.height = `${plan.height}px`;
      const pen = canvas.getContext("2d");
      pen.scale(scale, scale);
      const style = getComputedStyle(document.documentElement);
      const ink = (name) => style.getPropertyValue(`--${name}`).trim();
      for (const head of plan.heads) drawHead(pen, head, width, ink);
      plan.boxes.forEach((box, index) => drawBox(pen, box, plan.named, index === this.here, ink));
    },
    observe() {
      if (this.observer) return;
      this.observer = new ResizeObserver(() => this.redraw());
      this.observer.observe(this.$refs.box);
    },
    at(event) {
      const { left, top } = this.$refs.canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - left, event.clientY - top];
      return (this.plan?.boxes ?? []).findIndex(
        (box) => x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height,
      );
    },
    hover(event) {
      this.here = this.at(event);
      this.$refs.canvas.style.cursor = this.here < 0 ? "default" : "pointer";
    },
    click(event) {
      this.open(this.at(event));
    },
    open(index) {
      const cell = this.order[index];
      if (cell) location.href = deviceLink(cell.id);
    },
    key(event) {
      const columns = this.plan?.columns ?? 1;
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
      if (event.key === "Enter") this.open(this.here);
      if (!step) return;
      event.preventDefault();
      this.here = Math.max(0, Math.min(this.order.length - 1, this.here < 0 ? 0 : this.here + step));
      const box = this.layout(this.$refs.box.clientWidth).boxes[this.here];
      const top = this.$refs.canvas.getBoundingClientRect().top + box.y;
      if (top < 0 || top + box.height > innerHeight) scrollBy(0, top - innerHeight / 2);
    },
    shortcut(event) {
      if (event.key === "t" && !event.ctrlKey && !event.metaKey && !event.altKey) this.asTable = !this.asTable;
    },
  },
  mounted() {
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", this.redraw);
    document.addEventListener("keydown", this.shortcut);
  },
  unmounted() {
    this.observer?.disconnect();
    this.scheme.removeEventListener("change", this.redraw);
    document.removeEventListener("keydown", this.shortcut);
  },
};

function worstCell(a, b) {
  const marks = b.marks.length - a.marks.length;
  return worstFirst({ ...a, since: 0 }, { ...b, since: 0 }) || marks || (a.device < b.device ? -1 : 1);
}

function drawHead(pen, { site, cells, y }, width, ink) {
  pen.textBaseline = "middle";
  pen.textAlign = "left";
  pen.font = "600 13px system-ui, sans-serif";
  pen.fillStyle = ink("text");
  const name = site ? `site ${site}` : "no site";
  const shown = clip(pen, name, width * 0.5);
  pen.fillText(shown, 0, y + HEAD / 2);
  let x = pen.measureText(shown).width + 12;
  pen.font = "13px system-ui, sans-serif";
  pen.fillStyle = ink("faint");
  pen.fillText(`${cells.length}`, x, y + HEAD / 2);
  x += pen.measureText(`${cells.length}`).width + 14;
  for (const word of Object.keys(RANK)) {
    const count = cells.filter((cell) => cell.severity === word).length;
    if (!count) continue;
    drawShape(pen, word, "firing", x + 5, y + HEAD / 2, 5, ink);
    pen.fillStyle = ink("text");
    pen.fillText(String(count), x + 14, y + HEAD / 2);
    x += 26 + pen.measureText(String(count)).width;
  }
}

function drawBox(pen, { cell, x, y, width, height }, named, focused, ink) {
  const offline = cell.marks.includes("offline");
  pen.fillStyle = ink("cell");
  pen.strokeStyle = focused ? ink("focus") : cell.severity ? ink(cell.severity) : ink("line");
  pen.lineWidth = focused ? 2 : 1;
  pen.setLineDash(cell.state === "pending" && !focused ? [3, 3] : []);
  pen.beginPath();
  pen.roundRect(x + 0.5, y + 0.5, width - 1, height - 1, 3);
  if (named) pen.fill();
  if (named || focused) pen.stroke();
  pen.setLineDash([]);
  const middle = y + height / 2;
  const glyph = named ? x + 15 : x + width / 2;
  drawShape(pen, cell.severity || (offline ? "offline" : "ok"), cell.state, glyph, middle, 6, ink);
  if (named) drawName(pen, cell, x + 28, middle, width - 34, ink);
}

function drawName(pen, cell, x, y, width, ink) {
  pen.textBaseline = "middle";
  pen.textAlign = "left";
  pen.font = "12px ui-monospace, monospace";
  const marks = cell.marks.map((word) => (MARKS[word] ? `${MARKS[word]} ${word}` : word));
  pen.fillStyle = cell.marks.includes("offline") ? ink("faint") : ink("text");
  if (!marks.length) return pen.fillText(clip(pen, cell.device, width), x, y);
  pen.fillText(clip(pen, cell.device, width), x, y - 8);
  pen.font = "11px system-ui, sans-serif";
  pen.fillStyle = ink("faint");
  return pen.fillText(clip(pen, marks.join(" "), width), x, y + 9);
}

function clip(pen, name, width) {
  if (pen.measureText(name).width <= width) return name;
  let end = Math.min(name.length, 80);
  while (end > 1 && pen.measureText(`${name.slice(0, end)}…`).width > width) end -= 1;
  return `${name.slice(0, end)}…`;
}

// Shapes carry the meaning: diamond, triangle, disc, ring, dot, cross; hollow while pending.
function drawShape(pen, word, state, x, y, r, ink) {
  const colour = ink(RANK[word] === undefined ? "ok" : word);
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = 1.6;
  pen.beginPath();
  if (word === "critical") polygon(pen, [[x, y - r - 1], [x + r + 1, y], [x, y + r + 1], [x - r - 1, y]]);
  else if (word === "major") polygon(pen, [[x, y - r], [x + r + 0.5, y + r - 1], [x - r - 0.5, y + r - 1]]);
  else if (word === "offline") {
    pen.moveTo(x - r + 1, y - r + 1);
    pen.lineTo(x + r - 1, y + r - 1);
    pen.moveTo(x + r - 1, y - r + 1);
    pen.lineTo(x - r + 1, y + r - 1);
  } else pen.arc(x, y, word === "ok" ? 2 : r - 1, 0, 2 * Math.PI);
  const hollow = word === "info" || word === "offline" || (state === "pending" && word !== "ok");
  if (hollow) pen.stroke();
  else pen.fill();
}

function polygon(pen, points) {
  points.forEach(([x, y], index) => (index ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.closePath();
}
