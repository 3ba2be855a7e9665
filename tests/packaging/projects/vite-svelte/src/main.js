import { mount } from 'svelte';
import Chat from './Chat.svelte';

const config = JSON.parse(decodeURIComponent(location.hash.slice(1)));

mount(Chat, { target: document.getElementById('app'), props: { config } });
