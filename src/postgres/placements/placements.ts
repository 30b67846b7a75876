// The placements of a fleet, wired: one adapter for each isolation, the stock, the templates.

import type { Isolation } from '../../core/placement.ts'
import type { PlacementAdapter } from '../../core/placement-adapter.ts'
import { DatabasePlacement } from './database.ts'
import type { PlacementSite } from './placement-site.ts'
import { PooledPlacement } from './pooled.ts'
import { SchemaPlacement } from './schema.ts'
import { SchemaDatabases } from './schema-databases.ts'
import { serverPlacement } from './server.ts'
import { Stock } from './stock.ts'
import { Templates } from './template.ts'

export type PlacementsOptions = Omit<PlacementSite, 'onStep' | 'provisioner'> & Partial<Pick<PlacementSite, 'onStep' | 'provisioner'>>

export interface Placements {
  /** The adapter of an isolation. */
  for(isolation: Isolation): PlacementAdapter
  /** What the adapters share: for whoever works on tenants' places besides them. */
  readonly site: PlacementSite
  readonly stock: Stock
  readonly templates: Templates
  readonly schemaDatabases: SchemaDatabases
}

/** Opens nothing: connections are borrowed when a verb needs them. */
export function createPlacements(options: PlacementsOptions): Placements {
  const site: PlacementSite = { onStep: () => {}, provisioner: undefined, ...options }
  const templates = new Templates(site)
  const adapters: Readonly<Record<Isolation, PlacementAdapter>> = {
    pooled: new PooledPlacement(site),
    schema: new SchemaPlacement(site),
    database: new DatabasePlacement({ site, templates }),
    server: serverPlacement(site, templates),
  }
  return {
    for: (isolation) => adapters[isolation],
    site,
    stock: new Stock(site, templates),
    templates,
    schemaDatabases: new SchemaDatabases(site),
  }
}
