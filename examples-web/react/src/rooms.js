/** The rooms of every team. Each is a space of its own. */
export const ROOMS = [
  { id: 'general', name: 'General', topic: 'What everybody should know' },
  { id: 'product', name: 'Product', topic: 'What we build next, and why' },
  { id: 'support', name: 'Support', topic: 'What people ask us' },
  { id: 'kitchen', name: 'Kitchen', topic: 'Lunch, cake and everything else' },
];
