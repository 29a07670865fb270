export const SUBSCRIPTION_PREFIX = 'subscription/';

/** `subscription/TYPE/QUEUE`, the type percent-encoded; the queue, of another machine `queue@machine`, has no slash. */
export function readSubscriptionKey(key: string): { readonly type: string; readonly queue: string } {
  const [type = '', queue = ''] = key.slice(SUBSCRIPTION_PREFIX.length).split('/');
  return { type: decodeURIComponent(type), queue };
}
