// The cast, with a wire of ours between the application's connections and the database.

import type { TestContext } from 'node:test'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import type { TenancyOptions } from '../../src/tenancy-options.ts'
import { type Stage, stage } from './cast.ts'
import { isolation } from './isolation.ts'
import { TcpProxy } from './proxy.ts'

export interface WiredStage extends Stage {
  readonly wire: TcpProxy
  /** Its app connections go through the wire; one of them, unless said otherwise. */
  readonly tenancy: Tenancy
}

export async function wiredStage(t: TestContext, options: Partial<TenancyOptions> = {}): Promise<WiredStage> {
  const here = await stage(t)
  const { app, placement } = here.placeOf(here.bob)
  const wire = await TcpProxy.start(t, isolation === 'server' ? app : here.database.urls.app)
  if (isolation === 'server') {
    // Other servers are where the catalog says that they are.
    const { hostname, port } = new URL(wire.url)
    await here.aliceInCatalog('update partywall.servers set host = $2, port = $3 where name = $1', [placement.server, hostname, port])
  }
  const tenancy = await createTenancy({
    ...here.access,
    ...(isolation !== 'server' && { database: wire.url }),
    pool: { connectionsMax: 1, ownConnectionsMax: 1 },
    ...options,
  })
  t.after(() => tenancy.close())
  return { ...here, wire, tenancy }
}
