// Both places must be at one version: tables with the same names and other columns cannot follow each other.

import { inDatabase, type MoveCheck } from '../check.ts'

export const migrationVersion: MoveCheck = {
  rule: 'migration-version',
  level: 'refuse',
  async check({ source, target, connections, migrations }) {
    if (!source.isMade) return []
    const versionAt = async ({ placement: { database, schema } }: typeof source): Promise<string | undefined> =>
      await connections.asMigrator(database, (control) => migrations.versionOf(control, schema))
    const [from, to] = await Promise.all([versionAt(source), target.isMade ? versionAt(target) : migrations.version])
    if (from === to) return []
    const behind = (from ?? '') < (to ?? '') ? source : target
    const { database, schema } = behind.placement
    return [
      {
        at: inDatabase(behind),
        object: `${database}.${schema}`,
        problem: `The source is at ${from ?? 'no version'}, and the target ${target.isMade ? 'is' : 'will be made'} at ${to ?? 'none'}. Run partywall migrate first.`,
      },
    ]
  },
}
