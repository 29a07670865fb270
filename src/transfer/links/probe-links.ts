import type { Timers } from '../../io/io.ts';
import type { Frame, Hello, PingBack } from '../wire/frames.ts';
import type { AcceptedLink } from './accept-link.ts';
import { PROBE_LINK_MS_MAX, PROBE_LINKS_MAX } from './limits.ts';
import type { Link } from './link.ts';

/**
 * Links of those who only look (`posthorn ping`, a listener's look at itself): they may ask for a sign of life, and once at a
 * time for a look back. They carry no streams, and none stays longer than a minute.
 */
export class ProbeLinks {
  readonly #timers: Timers;
  readonly #lookBack: LookBack;
  readonly #open = new Set<Link>();

  constructor(timers: Timers, lookBack: LookBack) {
    this.#timers = timers;
    this.#lookBack = lookBack;
  }

  take({ link, hello }: AcceptedLink): void {
    const deadline = this.#timers.after(PROBE_LINK_MS_MAX, () => link.close('DONE', 'A look does not take so long.'));
    let isLooking = false;
    const frame = (frame: Frame): void => {
      if (frame.type !== 'pingBack' || isLooking) {
        link.close('MALFORMED', `'${frame.type}' is not awaited from somebody who only looks.`);
        return;
      }
      isLooking = true;
      this.#answer(link, hello, frame).finally(() => {
        isLooking = false;
      });
    };
    link.listen({
      frame,
      drained: () => undefined,
      silent: () => undefined,
      closed: () => {
        deadline.cancel();
        this.#open.delete(link);
      },
    });
    this.#open.add(link);
    const [oldest] = this.#open;
    if (this.#open.size > PROBE_LINKS_MAX) oldest?.close('DONE', 'Too many look at once.');
  }

  close(text: string): void {
    for (const link of this.#open) link.close('SHUTTING_DOWN', text);
  }

  async #answer(link: Link, hello: Hello, request: PingBack): Promise<void> {
    try {
      const report = await this.#lookBack(request, { hello, remoteAddress: link.remoteAddress });
      link.send({ type: 'pingBackResult', id: request.id, report });
    } catch (error) {
      link.close('DONE', `Looking back failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** Looks at the machine that asks, by its name; resolves with the report of `transfer/ping-report.ts`. */
export type LookBack = (
  request: PingBack,
  asker: { readonly hello: Hello; readonly remoteAddress: string },
) => Promise<unknown>;
