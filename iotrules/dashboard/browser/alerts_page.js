// Active alerts, worst first, and those that ended lately. Active ones are never filtered away.
import { Age, Moment, Severity, change, clock, deviceLink, duration, newTable, worstFirst } from "iotrules-shared";

const AT_FIRST = 500; // rows drawn before somebody asks for all: a storm must not stop the browser

export default {
  components: { Age, Moment, Severity },
  template: `
    <div class="page">
      <section aria-labelledby="active-title">
        <h1 id="active-title">Active alerts</h1>
        <div v-if="!ready" class="empty">reading the store</div>
        <div v-else-if="!active.size" class="empty">
          <p class="calm"><span aria-hidden="true">✓</span> No alerts.</p>
          <p>{{ hearing }}</p>
          <p>A rule whose condition holds for its <code>for</code> shows up here by itself.</p>
        </div>
        <table v-else role="table" class="alerts" aria-labelledby="active-title">
          <thead role="rowgroup"><tr role="row">
            <th v-for="name in columns" :key="name" role="columnheader" scope="col">{{ name }}</th>
          </tr></thead>
          <tbody role="rowgroup">
            <tr v-for="row in shown" :key="row.id" role="row" :class="[row.severity, row.state]">
              <td role="cell" class="c-sev"><severity :level="row.severity" :state="row.state" /></td>
              <td role="cell" class="c-state"><span class="state" :class="row.state">{{ row.state }}</span></td>
              <td role="cell" class="c-device"><a :href="link(row.key)">{{ row.device }}</a></td>
              <td role="cell" class="c-rule">{{ row.rule }}</td>
              <td role="cell" class="c-cause"><span class="summary">{{ row.summary }}</span> <span v-if="row.reason !== row.summary" class="reason">{{ row.reason }}</span> <span v-if="row.muted" class="reason muted">muted: {{ row.muted }}</span></td>
              <td role="cell" class="c-since"><moment :at="row.since" /></td>
              <td role="cell" class="c-age"><age :since="row.since" /></td>
            </tr>
          </tbody>
        </table>
        <p v-if="active.size > shown.length" class="more">
          showing the {{ shown.length }} worst of {{ active.size }} <button @click="all = true">show all</button>
        </p>
      </section>
      <section v-if="ready" aria-labelledby="resolved-title">
        <h2 id="resolved-title">Recently resolved</h2>
        <p v-if="!resolved.size" class="empty small">Nothing has resolved yet.</p>
        <table v-else role="table" class="alerts resolved" aria-labelledby="resolved-title">
          <thead role="rowgroup"><tr role="row">
            <th v-for="name in resolvedColumns" :key="name" role="columnheader" scope="col">{{ name }}</th>
          </tr></thead>
          <tbody role="rowgroup">
            <tr v-for="row in ended" :key="row.id" role="row" :class="[row.severity, row.state]">
              <td role="cell" class="c-sev"><severity :level="row.severity" :state="row.state" /></td>
              <td role="cell" class="c-state"><span class="state resolved">resolved</span></td>
              <td role="cell" class="c-device"><a :href="link(row.key)">{{ row.device }}</a></td>
              <td role="cell" class="c-rule">{{ row.rule }}</td>
              <td role="cell" class="c-cause"><span class="summary">{{ row.summary }}</span> <span v-if="row.reason !== row.summary" class="reason">{{ row.reason }}</span> <span v-if="row.muted" class="reason muted">muted: {{ row.muted }}</span></td>
              <td role="cell" class="c-since"><moment :at="row.updated" /></td>
              <td role="cell" class="c-age"><age :since="row.updated" /></td>
            </tr>
          </tbody>
        </table>
      </section>
    </div>`,
  data: () => ({
    active: newTable(),
    resolved: newTable(),
    ready: false,
    all: false,
    columns: ["severity", "state", "device", "rule", "cause", "since", "age"],
    resolvedColumns: ["severity", "state", "device", "rule", "cause", "at", "ago"],
  }),
  computed: {
    shown() {
      const rows = [...this.active.values()].sort(worstFirst);
      return this.all ? rows : rows.slice(0, AT_FIRST);
    },
    ended() {
      return [...this.resolved.values()].sort((a, b) => b.updated - a.updated);
    },
    hearing() {
      if (clock.newest === null) return "No message has arrived yet: start the engine, then devices (`iotrules demo` brings both).";
      const devices = clock.devices === 1 ? "1 device" : `${clock.devices} devices`;
      return `Last message ${duration(clock.now - clock.newest)} ago; ${devices} heard so far.`;
    },
  },
  methods: {
    link: deviceLink,
    apply(changes) {
      change(this.active, changes.active);
      change(this.resolved, changes.resolved);
      this.ready = true;
    },
  },
};
