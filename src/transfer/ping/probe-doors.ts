import { openLink, type Self } from '../links/open-link.ts';
import type { TransferOptions } from '../transfer-options.ts';
import type { PingDoors } from './ping-doors.ts';

/** The doors through which a machine looks at others: those that its traffic takes. */
export function probeDoors(options: Omit<TransferOptions, 'door' | 'logger'>, self: Self): PingDoors {
  const { io, network, names, settings, tls } = options;
  return {
    machine: self.machine,
    clock: io.clock,
    timers: io.timers,
    names,
    settings,
    usesTls: tls !== undefined,
    openLink: (target) =>
      openLink({
        ...target,
        name: settings.machines.get(target.machine.toLowerCase())?.host ?? target.machine,
        network,
        clock: io.clock,
        timers: io.timers,
        self,
        purpose: 'probe',
        tls: tls?.material,
        allowPlaintext: settings.allowPlaintext,
      }),
  };
}
