import { mount } from 'svelte';
import './styles/base.css';
import Agent from './agent/Agent.svelte';

mount(Agent, { target: document.getElementById('app') });
