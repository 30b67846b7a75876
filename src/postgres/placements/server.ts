// `server`: a database of the tenant's own, on a server that holds nobody else. The server comes from whoever provisions servers.

import { ConfigurationError } from '../../errors.ts'
import { DatabasePlacement } from './database.ts'
import type { PlacementSite } from './placement-site.ts'
import type { Templates } from './template.ts'

export function serverPlacement(site: PlacementSite, templates: Templates): DatabasePlacement {
  return new DatabasePlacement({
    site,
    templates,
    acquire: async ({ id, region }, { server, labels = {} }) =>
      server ?? (await provisionerOf(site).acquire({ tenantId: id, region, labels })),
  })
}

/** @throws {ConfigurationError} when there is none. */
export function provisionerOf({ provisioner }: PlacementSite): NonNullable<PlacementSite['provisioner']> {
  if (provisioner !== undefined) return provisioner
  throw new ConfigurationError('Nobody provisions servers. Pass `provisioner`, or name a server that waits for a tenant.')
}
