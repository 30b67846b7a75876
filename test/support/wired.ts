// The cast, with a wire of ours between the application's connections and the database.

import type { TestContext } from 'node:test'
import { createTenancy, type Tenancy, type TenancyOptions } from '../../src/tenancy.ts'
import { type Stage, stage } from './cast.ts'
import { TcpProxy } from './proxy.ts'

export interface WiredStage extends Stage {
  readonly wire: TcpProxy
  /** Its app connections go through the wire; one of them, unless said otherwise. */
  readonly tenancy: Tenancy
}

export async function wiredStage(t: TestContext, options: Partial<TenancyOptions> = {}): Promise<WiredStage> {
  const here = await stage(t)
  const wire = await TcpProxy.start(t, here.database.urls.app)
  const { gatekeeper, migrator } = here.database.urls
  const tenancy = await createTenancy({ catalog: gatekeeper, admin: migrator, database: wire.url, pool: { connectionsMax: 1 }, ...options })
  t.after(() => tenancy.close())
  return { ...here, wire, tenancy }
}
