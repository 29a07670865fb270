import type { Link, LinkEnd, LinkHandlers } from '../links/link.ts';
import type { Frame } from '../wire/frames.ts';

/** A link that only looks, and what came over it. */
export class ProbeLink implements LinkHandlers {
  readonly link: Link;
  readonly #ended = Promise.withResolvers<LinkEnd>();
  #onFrame: (frame: Frame) => void = () => undefined;

  /** In the turn in which the link was handed over. */
  constructor(link: Link) {
    this.link = link;
    link.listen(this);
  }

  get ended(): Promise<LinkEnd> {
    return this.#ended.promise;
  }

  onFrame(listener: (frame: Frame) => void): void {
    this.#onFrame = listener;
  }

  close(): void {
    this.link.close('DONE', 'The look is over.');
  }

  frame(frame: Frame): void {
    this.#onFrame(frame);
  }

  drained(): void {}

  silent(): void {}

  closed(end: LinkEnd): void {
    this.#ended.resolve(end);
  }
}
