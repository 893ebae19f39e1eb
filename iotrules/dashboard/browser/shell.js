// The frame of every page: navigation, counts, how fresh the data is, and the banner when it is not.
import { GLYPHS, clock, duration, hear, tick } from "iotrules-shared";

const LOST_AFTER = 5000;
const SILENT_AFTER = 10000;

export default {
  props: { page: String, variables: String },
  template: `
    <div class="shell" :class="{ stale: banner }">
      <a class="skip" href="#content">skip to the content</a>
      <header>
        <a class="brand" href="/"><span aria-hidden="true">⬡</span> iotrules</a>
        <nav aria-label="pages">
          <a href="/" :aria-current="page === 'alerts' ? 'page' : null">Alerts <b v-if="status">{{ active }}</b></a>
          <a href="/fleet" :aria-current="page === 'fleet' ? 'page' : null">Fleet <b v-if="status">{{ status.devices }}</b></a>
        </nav>
        <ul v-if="status" class="counts" aria-label="active alerts">
          <li v-for="[word, count] in status.severities" :key="word" :class="[word, { none: !count }]">
            <i class="shape" aria-hidden="true">{{ glyphs[word] }}</i><b>{{ count }}</b> {{ word }}
          </li>
          <li v-for="[word, count] in status.states" :key="word" :class="{ none: !count }"><b>{{ count }}</b> {{ word }}</li>
        </ul>
        <p class="fresh"><i class="dot" aria-hidden="true"></i>{{ fresh }}</p>
      </header>
      <p v-if="banner" class="banner" role="alert"><b aria-hidden="true">!</b> <span>{{ banner }}</span></p>
      <div id="content" class="content" tabindex="-1"><slot></slot></div>
    </div>`,
  data: () => ({ status: null, glyphs: GLYPHS, clock }),
  computed: {
    active() {
      return this.status.severities.reduce((sum, [, count]) => sum + count, 0);
    },
    silence() {
      return clock.newest === null ? null : Math.max(0, clock.now - clock.newest);
    },
    fresh() {
      if (!this.status) return "connecting";
      if (this.silence === null) return "no message yet";
      return this.banner ? "not live" : `live, last message ${duration(this.silence)} ago`;
    },
    banner() {
      if (clock.lost > LOST_AFTER)
        return `connection to the dashboard lost ${duration(clock.lost)} ago: what you see is old`;
      if (!this.status) return "";
      if (this.status.trouble) return this.status.trouble + (this.status.loaded ? "; what you see is old" : "");
      if (this.silence === null || this.silence <= SILENT_AFTER) return "";
      const words = duration(this.silence);
      const running = this.status.input !== null && clock.now - this.status.input <= SILENT_AFTER;
      return running
        ? `no message for ${words}: the engine runs, but hears nothing; check the broker and the devices`
        : `engine silent for ${words}: what you see may be old; is \`iotrules run\` up?`;
    },
  },
  methods: {
    tell(status) {
      this.status = Object.freeze(status);
      hear(status);
    },
  },
  mounted() {
    const style = document.createElement("style");
    style.textContent = this.variables;
    document.head.append(style);
    this.timer = setInterval(tick, 1000);
  },
  unmounted() {
    clearInterval(this.timer);
  },
};
