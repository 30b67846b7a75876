// partywall audit keys: with what logs are signed, and with what anybody verifies that.

import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const keys = verb({
  summary: 'List the keys that sign logs, or make a new one',
  details: 'The public halves, of old ones too, go to whoever verifies: --to writes them as PEM.',
  flags: {
    rotate: { kind: 'switch', about: 'make a key that signs from now on' },
    to: { kind: 'text', value: 'file', about: 'write the public keys there, the present one first' },
  },
  examples: ['partywall audit keys', 'partywall audit keys --rotate', 'partywall audit keys --to audit-keys.pem'],
  needs: needsFleet,
  async run({ flags: { rotate, to }, output, terminal }) {
    const list = await withFleet(terminal, async ({ fleet, record }) => {
      const { keys: logKeys } = fleet.audit
      if (rotate) {
        await logKeys.rotate()
        await record({ action: 'audit.key_rotated', tenantId: undefined, reason: undefined })
      }
      return (await logKeys.list()).toSorted((a, b) => Number(b.isCurrent) - Number(a.isCurrent))
    })
    if (to !== undefined) await writeFile(resolve(terminal.cwd, to), list.map(({ publicKey }) => publicKey).join(''), { mode: 0o644 })
    await output.table(list, {
      KEY: ({ id }) => id,
      SIGNS: ({ isCurrent }) => (isCurrent ? 'yes' : 'no'),
      PUBLIC: ({ publicKey }) => oneLine(publicKey),
    })
  },
})

function oneLine(pem: string): string {
  return pem.split('\n').slice(1, -2).join('')
}
