/** The same names in one ES module, for `<script type="module">`: everything is inside, the Wasm too. */
export * from './index.js';
