/** What the shop sells. */
export const PRODUCTS = [
  { name: 'Boston fern', price: 24, note: 'Likes shade and company', leaf: '#2f8f5f', pot: '#c98a5a' },
  { name: 'Olive tree', price: 48, note: 'Wants the sunniest window', leaf: '#7d9a5b', pot: '#8d99a6' },
  { name: 'Calathea', price: 32, note: 'Folds its leaves at night', leaf: '#23704f', pot: '#e0b7a0' },
  { name: 'Lavender', price: 12, note: 'For balconies and bees', leaf: '#8a7fc0', pot: '#b5684a' },
  { name: 'Jade plant', price: 18, note: 'Forgives a forgotten week', leaf: '#4c9a74', pot: '#d8c9a8' },
  { name: 'Monstera', price: 36, note: 'Grows as large as you let it', leaf: '#1f7a55', pot: '#7c6a5d' },
];
