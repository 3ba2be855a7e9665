module.exports = {
  entry: './src/chat.js',
  output: { filename: 'app.js', publicPath: '/dist/', clean: true, module: true },
  experiments: { outputModule: true },
  devServer: { host: '127.0.0.1', static: '.', devMiddleware: { publicPath: '/dist/' }, hot: false },
};
