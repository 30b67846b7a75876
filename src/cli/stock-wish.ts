// Which stock a command is about: what its flags say, or all that the configuration has.

import type { PartywallConfig } from '../config.ts'
import type { StockTarget } from '../operations/keeper.ts'

/** Flags of both verbs. */
export const stockFlags = {
  isolation: { kind: 'choice', of: ['schema', 'database'], about: 'what kind of place (default: the stock of partywall.config.ts)' },
  region: { kind: 'text', about: 'where', default: 'default' },
} as const

/** Without an isolation, the configuration's. */
export function stockWished(
  {
    isolation,
    region,
    count,
  }: { readonly isolation: StockTarget['isolation'] | undefined; readonly region: string; readonly count: number },
  { stock = [] }: PartywallConfig,
): readonly StockTarget[] {
  return isolation === undefined ? stock : [{ isolation, region, count }]
}
