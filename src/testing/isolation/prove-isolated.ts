// Shows that every attack can succeed: in SQL where a part of the wall is down, over HTTP behind a door that is broken.

import { withPrivateServer } from '../host/private-server.ts'
import { type TestTenancy, testTenancy } from '../test-tenancy.ts'
import { type IsolationOptions, proveDoors } from './expect-isolated.ts'
import { type Proof, type ProveOptions, proveSql } from './prove.ts'

/** An application on a tenancy of the kit's, opened and closed by the proof. */
export interface OpenedApp extends Pick<IsolationOptions, 'app' | 'routes' | 'auth'> {
  close?(): Promise<void>
}

export interface ProveIsolatedOptions extends ProveOptions, Pick<IsolationOptions, 'resources'> {
  /** Opens the application on a tenancy. Without it nothing over HTTP is proved. */
  readonly open?: ((kit: TestTenancy) => Promise<OpenedApp>) | undefined
}

/**
 * Tries every attack where its own mutation has taken down what stopped it. Each must succeed: one that does not is a defect.
 *
 * It takes a server of its own, because some mutations change roles, unless it is given one. It takes a minute or two.
 *
 * @returns a proof for each attack; those with the outcome `defect` prove nothing.
 */
export async function proveIsolated(options: ProveIsolatedOptions): Promise<readonly Proof[]> {
  if (options.server === undefined) return await withPrivateServer(options.binDirectory, (server) => proveIsolated({ ...options, server }))
  const inSql = await proveSql(options)
  await using kit = await testTenancy(options)
  const opened = await options.open?.(kit)
  try {
    return [...inSql, ...(await proveDoors(kit, { ...options, ...opened }))]
  } finally {
    await opened?.close?.()
  }
}
