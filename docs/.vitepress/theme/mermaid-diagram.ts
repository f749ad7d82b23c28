/** A Mermaid diagram in the colors of the page. Mermaid is only loaded on pages with a diagram. */
import scriptUrl from '@mermaid-js/tiny/dist/mermaid.tiny.js?url';
import { useData } from 'vitepress';
import { defineComponent, h, onMounted, ref, watch } from 'vue';

interface Mermaid {
  initialize(options: { startOnLoad: boolean; theme: string; fontFamily: string }): void;
  render(id: string, source: string): Promise<{ svg: string }>;
}

declare global {
  var mermaid: Mermaid | undefined;
}

let loading: Promise<Mermaid> | undefined;
let count = 0;

/** The package is a classic script, which defines a global. */
function loadMermaid(): Promise<Mermaid> {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = scriptUrl;
    script.onload = () => resolve(globalThis.mermaid!);
    script.onerror = () => reject(new Error(`${scriptUrl} could not be loaded`));
    document.head.append(script);
  });
  return loading;
}

export const MermaidDiagram = defineComponent({
  props: { source: { type: String, required: true } },
  setup(props) {
    const { isDark } = useData();
    const svg = ref('');
    const source = decodeURIComponent(props.source);

    async function draw(): Promise<void> {
      const mermaid = await loadMermaid();
      mermaid.initialize({
        startOnLoad: false,
        theme: isDark.value ? 'dark' : 'neutral',
        fontFamily: 'inherit',
      });
      count += 1;
      svg.value = (await mermaid.render(`mermaid-${count}`, source)).svg;
    }

    onMounted(draw);
    watch(isDark, draw);
    // Until it is drawn, and without JavaScript, the source is shown.
    return () =>
      svg.value
        ? h('div', { class: 'mermaid-diagram', innerHTML: svg.value })
        : h('pre', { class: 'mermaid-source' }, source);
  },
});
