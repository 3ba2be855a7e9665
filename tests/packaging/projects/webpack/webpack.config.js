module.exports = {
  entry: './src/chat.js',
  output: { filename: 'app.js', publicPath: '/dist/' },
  devServer: { static: '.', hot: false, liveReload: false },
};
