/** What is shown in place of a part of the page that failed: the rest stays. */
import { Component } from 'react';

export class ErrorBoundary extends Component {
  state = { hasFailed: false };

  static getDerivedStateFromError() {
    return { hasFailed: true };
  }

  render() {
    return this.state.hasFailed ? this.props.fallback : this.props.children;
  }
}
