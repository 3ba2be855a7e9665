import { jest } from '@jest/globals';
import { fireEvent, render, screen } from '@testing-library/react';
import { Room } from './Room';

const PATIENCE = { timeout: 10_000 };
const config = JSON.parse(process.env.CHAT_CONFIG ?? '{}');
const warn = jest.spyOn(console, 'warn');

test('a room sends and hears', async () => {
  render(<Room config={config} />);
  fireEvent.change(screen.getByLabelText('Message'), { target: { value: 'Hello from Jest' } });
  fireEvent.click(screen.getByText('Send'));
  await screen.findByText('Hello from Jest', {}, PATIENCE);
  await screen.findByText('Hello to Jest', {}, PATIENCE);
  expect(warn).not.toHaveBeenCalled();
}, 30_000);
