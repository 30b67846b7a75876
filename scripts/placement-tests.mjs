// Which tests run once in each placement. A file that uses the stage (test/support/cast.ts) is in one of the two lists: a test sees
// to that (test/placement-tests.test.ts).

import { globSync } from 'node:fs'

/** The placements beside `pooled`, in which everything runs. */
export const otherPlacements = ['schema', 'database', 'server']

/** Those of the quick run: a server of its own is a database of its own too, somewhere else. */
export const quickPlacements = ['schema', 'server']

const sensitive = [
  'test/isolation/*.test.ts',
  'test/postgres/{break-glass,break-glass-doors,kysely,lease,lease-moving,moving-gates,outage,probe-plan,repository,repository-page,tenant-pool,tenant-pool-conformance,transaction}.test.ts',
  'test/examples/documents.test.ts',
  'test/examples/two-services.test.ts',
  'test/testing/wall-check.test.ts',
]

/** Files that use the stage, or stand among the others, and speak of one placement alone. */
export const ofOnePlacement = new Map([
  ['test/bench/soak.test.ts', 'It tries the load generator, whose target is the pooled demonstration.'],
  ['test/cli/cli.test.ts', 'The verbs speak to the catalog.'],
  ['test/cli/server.test.ts', 'The verbs speak of servers, whoever lives there.'],
  ['test/postgres/operations.test.ts', 'It goes through the placements itself.'],
  ['test/core/plans.test.ts', 'Features and weights are read from the catalog.'],
  ['test/full/pgbouncer.test.ts', 'Two tenants share one server connection, which only those of one login can.'],
  ['test/isolation/existing-application.test.ts', 'An application that exists is put behind the wall in its own shared tables.'],
  ['test/postgres/open-databases.test.ts', 'It moves the version of the shared database.'],
  ['test/postgres/purge-stores.test.ts', 'It goes through the placements itself.'],
  ['test/postgres/replicas-moving.test.ts', 'A replica follows a server, and the tenant leaves one of its databases.'],
  ['test/postgres/replicas.test.ts', 'A replica follows a server, whatever lives there.'],
  ['test/postgres/tenant-export.test.ts', 'It goes through the placements itself.'],
])

/** The files, from the root of the project. */
export function placementTests(cwd = process.cwd()) {
  return globSync(sensitive, { cwd })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => !ofOnePlacement.has(file))
    .sort()
}
