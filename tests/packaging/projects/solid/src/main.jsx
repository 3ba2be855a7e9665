import { render } from 'solid-js/web';
import { Chat } from './Chat.jsx';

const config = JSON.parse(decodeURIComponent(location.hash.slice(1)));

render(() => <Chat config={config} />, document.getElementById('root'));
