// One device: a chart that appends what arrives to a bounded ring, and what is known beside it.
import { echarts } from "nicegui-echart";
import {
  Age, GLYPHS, Moment, Severity, change, clock, clockTime, deviceLink, duration, newTable, text, worstFirst,
} from "iotrules-shared";

const RING = 4000;
const GAP_INTERVALS = 3;
const SPANS = [5, 15, 60];

export default {
  components: { Age, Moment, Severity },
  props: { minutes: Number },
  template: `
    <div class="page device">
      <div class="row">
        <h1>{{ name }}</h1>
        <span v-for="[label, value] in others" :key="label" class="label">{{ label }} <b>{{ value }}</b></span>
        <span v-for="mark in facts.marks" :key="mark" class="mark">{{ mark }}</span>
        <span v-if="facts.seen" class="quiet seen">last message {{ ago }} ago</span>
      </div>
      <div v-if="!ready" class="empty">reading the store</div>
      <div v-else-if="!facts.known" class="empty">
        <p>Nothing is known of this device.</p>
        <p>It has sent no message that the engine could use, and no rule has had anything to say about it. Is the link right?</p>
      </div>
      <template v-else>
        <ul v-if="active.length" class="now" aria-label="active alerts of this device">
          <li v-for="row in active" :key="row.id" :class="[row.severity, row.state]">
            <severity :level="row.severity" :state="row.state" /> <span class="state" :class="row.state">{{ row.state }}</span>
            <b>{{ row.rule }}</b> <span>{{ row.summary }}</span> <span v-if="row.reason !== row.summary" class="reason">{{ row.reason }}</span> <span v-if="row.muted" class="reason muted">muted: {{ row.muted }}</span>
            <age :since="row.since" />
          </li>
        </ul>
        <section aria-label="chart" class="chart-box">
          <div class="row tools">
            <label>field
              <select :value="facts.field" @change="go({ field: $event.target.value })">
                <option v-for="field in facts.fields" :key="field" :value="field">{{ field }}</option>
              </select>
            </label>
            <span class="spans" role="group" aria-label="time span">
              <a v-for="span in spans" :key="span" :href="address({ minutes: span })" :aria-current="span === minutes ? 'true' : null">{{ span }} m</a>
            </span>
            <span class="quiet key"><span aria-hidden="true">◆▲●○</span> alert <span aria-hidden="true">◇</span> pending
              <span aria-hidden="true">✓</span> resolved <span aria-hidden="true">▽</span> command <span class="nodata" aria-hidden="true"></span> no data</span>
          </div>
          <div ref="chart" class="chart" role="img" :aria-label="chartWords"></div>
        </section>
        <div class="columns">
          <section aria-labelledby="reading-title">
            <h2 id="reading-title">Reading</h2>
            <dl><template v-for="[field, value] in facts.reading" :key="field"><dt>{{ field }}</dt><dd :class="{ quiet: value === null }">{{ text(value) }}</dd></template></dl>
          </section>
          <section aria-labelledby="state-title">
            <h2 id="state-title">Persisted state</h2>
            <p v-if="!facts.state.length" class="quiet small">No function has stored anything for this device.</p>
            <dl><template v-for="[field, value] in facts.state" :key="field"><dt>{{ field }}</dt><dd>{{ text(value) }}</dd></template></dl>
          </section>
          <section aria-labelledby="commands-title" class="wide">
            <h2 id="commands-title">Commands</h2>
            <p v-if="!commands.size" class="quiet small">No command was ever sent to this device.</p>
            <table v-else role="table" aria-labelledby="commands-title">
              <tbody role="rowgroup"><tr v-for="row in sent" :key="row.id" role="row">
                <td role="cell"><moment :at="row.at" /></td>
                <td role="cell"><b>{{ row.name }}</b></td>
                <td role="cell"><span class="state" :class="outcome(row.state)">{{ row.state }}</span> <span class="quiet">{{ duration(row.took) }}</span></td>
                <td role="cell" class="c-cause">{{ row.detail }} <span class="quiet">by {{ row.rule }}</span></td>
              </tr></tbody>
            </table>
          </section>
        </div>
        <section aria-labelledby="transitions-title">
          <h2 id="transitions-title">Transitions</h2>
          <p v-if="!transitions.size" class="quiet small">No rule has changed its mind about this device.</p>
          <table v-else role="table" aria-labelledby="transitions-title" class="alerts transitions">
            <tbody role="rowgroup"><tr v-for="row in changes" :key="row.id" role="row" :class="[row.severity, row.after]">
              <td role="cell" class="c-since"><moment :at="row.at" /></td>
              <td role="cell" class="c-sev"><severity :level="row.severity" :state="row.after" /></td>
              <td role="cell" class="c-state"><span class="quiet">{{ row.before }} →</span> <span class="state" :class="row.after">{{ row.after }}</span></td>
              <td role="cell" class="c-rule">{{ row.rule }}</td>
              <td role="cell" class="c-cause"><span class="summary">{{ row.summary }}</span> <span v-if="row.reason !== row.summary" class="reason">{{ row.reason }}</span> <span v-if="row.muted" class="reason muted">muted: {{ row.muted }}</span></td>
            </tr></tbody>
          </table>
        </section>
      </template>
    </div>`,
  data: () => ({
    ready: false,
    facts: { known: false, field: "", fields: [], reading: [], state: [], marks: [], seen: 0, oldest: 0, interval: 0 },
    alerts: newTable(),
    transitions: newTable(),
    commands: newTable(),
    spans: SPANS,
    newest: null,
    lines: [],
  }),
  computed: {
    key: () => new URLSearchParams(location.search).get("key") ?? "",
    labels: (self) => labelsOf(self.key),
    name: (self) => (self.labels.find(([label]) => label === "device") ?? self.labels.at(-1) ?? ["", "no device"])[1],
    others: (self) => self.labels.filter(([label, value]) => label !== "device" && value !== self.name),
    active: (self) => [...self.alerts.values()].sort(worstFirst),
    changes: (self) => [...self.transitions.values()].sort((a, b) => b.at - a.at),
    sent: (self) => [...self.commands.values()].sort((a, b) => b.at - a.at),
    ago: (self) => duration(clock.now - self.facts.seen),
    chartWords() {
      const lines = this.lines.map((line) => `${line.rule} ${line.operator} ${line.value}`).join(", ");
      const now = this.newest === null ? "no data" : `now ${text(this.newest)}`;
      return `${this.facts.field} over ${this.minutes} minutes: ${now}${lines ? `; thresholds: ${lines}` : ""}`;
    },
  },
  methods: {
    text,
    duration,
    outcome: (state) => ({ succeeded: "good", held: "bad", failed: "bad", rejected: "bad", "timed out": "bad", expired: "bad" })[state] ?? "",
    address(changed) {
      const wanted = { field: this.facts.field, minutes: this.minutes, ...changed };
      return `${deviceLink(this.key)}&field=${encodeURIComponent(wanted.field)}&minutes=${wanted.minutes}`;
    },
    go(changed) {
      location.href = this.address(changed);
    },
    apply(news) {
      change(this.alerts, news.alerts);
      change(this.transitions, news.transitions);
      change(this.commands, news.commands);
      if (news.facts) this.facts = Object.freeze(news.facts);
      if (news.thresholds) this.lines = news.thresholds;
      if (news.points) this.append(news.points);
      this.ready = true;
      this.redraw();
    },
    append(points) {
      this.ring.push(...points);
      if (this.ring.length > RING) this.ring.splice(0, this.ring.length - RING);
      this.newest = this.ring.at(-1)[1];
    },
    redraw() {
      if (this.pending) return;
      this.pending = requestAnimationFrame(() => {
        this.pending = 0;
        this.draw();
      });
    },
    draw() {
      if (!this.$refs.chart) return;
      if (!this.chart) {
        this.chart = echarts.init(this.$refs.chart, null, { renderer: "canvas" });
        this.observer = new ResizeObserver(() => this.chart.resize());
        this.observer.observe(this.$refs.chart);
      }
      const to = clock.now || Date.now();
      const wanted = to - this.minutes * 60000;
      // A device that is younger than the span fills the chart; one minute at least.
      const from = Math.max(wanted, Math.min(this.facts.oldest || wanted, to - 60000));
      while (this.ring.length && this.ring[0][0] < from) this.ring.shift();
      this.chart.setOption(
        chartOption({
          from,
          to,
          points: this.ring,
          interval: this.facts.interval,
          field: this.facts.field,
          lines: this.lines,
          transitions: this.changes.filter((row) => row.at >= from),
          commands: this.sent.filter((row) => row.at >= from),
        }),
        { replaceMerge: ["series"] },
      );
    },
  },
  created() {
    this.ring = []; // not reactive: the chart is drawn from it at the pace of the news
  },
  mounted() {
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", this.redraw);
    this.timer = setInterval(this.redraw, 1000); // time passes without news too: a gap grows
  },
  unmounted() {
    clearInterval(this.timer);
    this.scheme.removeEventListener("change", this.redraw);
    this.observer?.disconnect();
    this.chart?.dispose();
  },
};

function labelsOf(key) {
  try {
    const labels = JSON.parse(key);
    return labels && typeof labels === "object" ? Object.entries(labels).map(([name, value]) => [name, String(value)]) : [];
  } catch {
    return [];
  }
}

// Points with a hole where the device was silent, and where the holes are.
function withGaps(points, interval, to) {
  const longest = GAP_INTERVALS * (interval || medianGap(points));
  const line = [];
  const gaps = [];
  points.forEach(([at, value], index) => {
    const before = index ? points[index - 1][0] : null;
    if (before !== null && longest && at - before > longest) {
      gaps.push([before, at]);
      line.push([before + 1, null]);
    }
    line.push([at, value]);
  });
  const last = points.at(-1)?.[0];
  if (last !== undefined && longest && to - last > longest) gaps.push([last, to]);
  return { line, gaps };
}

function medianGap(points) {
  const gaps = points.slice(1).map(([at], index) => at - points[index][0]).sort((a, b) => a - b);
  return gaps[Math.floor(gaps.length / 2)] ?? 0;
}

// Where the line is at an instant: markers sit on it.
function valueAt(points, at) {
  const after = points.findIndex(([time]) => time >= at);
  return points[after === -1 ? points.length - 1 : after]?.[1] ?? 0;
}

function chartOption({ from, to, points, interval, field, lines, transitions, commands }) {
  const style = getComputedStyle(document.documentElement);
  const ink = (name) => style.getPropertyValue(`--${name}`).trim();
  const { line, gaps } = withGaps(points, interval, to);
  const values = [...points.map(([, value]) => value), ...lines.map((each) => each.value)];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const step = niceStep(high - low || 1);
  return {
    animation: false,
    backgroundColor: "transparent",
    textStyle: { fontFamily: "system-ui, sans-serif" },
    grid: { left: 12, right: 16, top: 14, bottom: 8, containLabel: true },
    tooltip: {
      trigger: "axis",
      renderMode: "richText", // drawn on the canvas: a device's text can't become markup
      confine: true,
      backgroundColor: ink("cell"),
      borderColor: ink("line"),
      textStyle: { color: ink("text"), fontSize: 12 },
      formatter: (items) => tooltip(items, field),
    },
    xAxis: {
      type: "time",
      min: from,
      max: to,
      axisLine: { lineStyle: { color: ink("line") } },
      axisLabel: { color: ink("faint"), hideOverlap: true, formatter: "{HH}:{mm}:{ss}" },
      splitLine: { show: false },
    },
    yAxis: {
      type: "value",
      min: values.length ? Math.floor(low / step - 0.4) * step : 0,
      max: values.length ? Math.ceil(high / step + 0.4) * step : 1,
      axisLabel: { color: ink("faint") },
      splitLine: { lineStyle: { color: ink("line"), opacity: 0.5 } },
    },
    series: [
      {
        id: "line",
        name: field,
        type: "line",
        data: line,
        showSymbol: false,
        connectNulls: false,
        lineStyle: { width: 1.6, color: ink("trace") },
        itemStyle: { color: ink("trace") },
        markLine: thresholdLines(lines, ink),
        markArea: {
          silent: true,
          itemStyle: { color: ink("hole") },
          data: gaps.map(([start, end]) => [{ xAxis: Math.max(start, from) }, { xAxis: end }]),
        },
      },
      {
        id: "alerts",
        type: "scatter",
        z: 5,
        data: transitions.map((row) => alertMarker(row, points, ink)),
      },
      {
        id: "commands",
        type: "scatter",
        z: 4,
        data: commands.map((row) => ({
          value: [row.at, valueAt(points, row.at)],
          symbol: "triangle",
          symbolRotate: 180,
          symbolSize: 11,
          symbolOffset: [0, -16],
          itemStyle: { color: ink("paper"), borderColor: ink("text"), borderWidth: 1.5 },
          words: `command ${row.name}: ${row.state}`,
        })),
      },
    ],
  };
}

// A fifth or so of the range, as 1, 2 or 5 times a power of ten.
function niceStep(range) {
  const power = 10 ** Math.floor(Math.log10(range / 4));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => range / step <= 5) ?? 10 * power;
}

function thresholdLines(lines, ink) {
  return {
    silent: true,
    symbol: "none",
    data: lines.map((each) => ({
      yAxis: each.value,
      lineStyle: { color: ink(each.severity) || ink("faint"), type: "dashed", width: 1.2 },
      label: {
        position: "insideStartTop",
        color: ink("text"),
        fontSize: 11,
        formatter: () => `${GLYPHS[each.severity] ?? ""} ${each.rule} ${each.operator} ${text(each.value)}`,
      },
    })),
  };
}

function alertMarker(row, points, ink) {
  const colour = ink(row.severity);
  const ended = row.after === "resolved" || row.after === "inactive";
  const shape = { critical: "diamond", major: "triangle" }[row.severity] ?? "circle";
  return {
    value: [row.at, valueAt(points, row.at)],
    symbol: ended ? "path://M1 9 L7 15 L17 3 L14 1 L7 10 L4 7 Z" : shape,
    symbolSize: ended ? 16 : 14,
    itemStyle: {
      color: row.after === "firing" ? colour : ended ? ink("good") : ink("paper"),
      borderColor: ended ? ink("good") : colour,
      borderWidth: ended ? 0 : 2,
    },
    words: `${row.rule}: ${row.after}`,
  };
}

function tooltip(items, field) {
  const lines = items.map((item) => item.data.words ?? `${field} ${text(item.data[1])}`);
  return plain([clockTime(items[0].axisValue), ...lines].join("\n"));
}

// Rich text of ECharts reads {style|…}: braces of a device's text are taken out of that language.
const plain = (words) => words.replaceAll("{", "(").replaceAll("}", ")");
