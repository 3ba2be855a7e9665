import { mount } from 'svelte';
import './styles/base.css';
import Shop from './shop/Shop.svelte';

mount(Shop, { target: document.getElementById('app') });
