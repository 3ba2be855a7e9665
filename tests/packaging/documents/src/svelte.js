import { mount } from 'svelte';
import Chat from '../samples/Chat.svelte';

mount(Chat, { target: document.getElementById('app') });
