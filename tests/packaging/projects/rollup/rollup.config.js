import resolve from '@rollup/plugin-node-resolve';

export default {
  input: 'src/chat.js',
  output: { dir: 'dist', entryFileNames: 'app.js', format: 'es' },
  plugins: [resolve({ browser: true })],
};
