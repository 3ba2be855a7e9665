import { Component, type OnDestroy, type OnInit, signal } from '@angular/core';
// Angular's builder takes no files beside the JavaScript along.
import { client, type ShownMessage } from 'kuratchi-spaces/inline';

@Component({
  selector: 'app-chat',
  template: `
    <ol>
      @for (message of messages(); track message.id) {
        <li>{{ message.text }}</li>
      }
    </ol>
    <form (submit)="send($event, field)">
      <label>Message <input #field autocomplete="off" /></label>
      <button type="submit">Send</button>
    </form>
  `,
})
export class Chat implements OnInit, OnDestroy {
  readonly messages = signal<readonly ShownMessage[]>([]);
  private readonly space = client(JSON.parse(decodeURIComponent(location.hash.slice(1))));

  async ngOnInit() {
    this.space.subscribe(() => this.messages.set(this.space.getSnapshot().messages));
    await this.space.connect();
    await this.space.getMessages();
  }

  ngOnDestroy() {
    this.space.close();
  }

  async send(event: Event, field: HTMLInputElement) {
    event.preventDefault();
    const text = field.value;
    field.value = '';
    await this.space.sendMessage({ senderId: 'ada', senderType: 'user', text });
  }
}
