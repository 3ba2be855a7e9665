/** VitePress's own theme, in the colours of the example page. */
import { useData } from 'vitepress';
import DefaultTheme from 'vitepress/theme-without-fonts';
import { h, onMounted, watch } from 'vue';
import chat from '../../chat.png';
import './brand.css';

const PICTURED =
  'One conversation in two windows, in light and dark: messages of two people, one of them edited, and somebody typing';

export default {
  extends: DefaultTheme,
  Layout: {
    setup() {
      const { frontmatter } = useData();
      // The theme's first page has no main landmark; its other pages have.
      const land = () => {
        const content = document.querySelector('#VPContent');
        if (frontmatter.value.layout === 'home') content?.setAttribute('role', 'main');
        else content?.removeAttribute('role');
      };
      onMounted(land);
      watch(() => frontmatter.value.layout, land, { flush: 'post' });
      const picture = () => h('img', { class: 'picture', src: chat, alt: PICTURED, width: 870, height: 808 });
      return () => h(DefaultTheme.Layout, null, { 'home-hero-image': picture });
    },
  },
};
