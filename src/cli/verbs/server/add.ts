// partywall server add: takes a server into the fleet.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { keyValues } from '../../key-values.ts'
import { serverUrlGiven, urlFlag } from '../../server-url.ts'
import { tellServer } from '../../told-server.ts'
import { verb } from '../../verb.ts'

export const add = verb({
  summary: 'Take a server into the fleet',
  details:
    'Checks it, makes partywall’s logins on it with generated passwords, and keeps those in the secret store. Repeat it after a failure; on a server that is there it mends what is missing.',
  args: { server: 'its name: a word of at most 48 characters' },
  flags: {
    region: { kind: 'text', about: 'where it is', required: true },
    url: urlFlag,
    label: { kind: 'list', isWhole: true, value: 'k=json', about: 'what it may be chosen by; may be given several times' },
    tenantsMax: { kind: 'number', about: 'tenants with a database of their own on it (default: any number)', min: 0, max: 1_000_000 },
    dedicated: { kind: 'switch', about: 'keep it for one tenant who is to have a server of its own' },
    allowUnencrypted: { kind: 'switch', about: 'passwords and rows may cross the network in the clear: only where it is trusted' },
    resetPasswords: { kind: 'switch', about: 'logins of ours that are there, and whose passwords nobody has, get new ones' },
  },
  examples: [
    'partywall server add eu-2 --region eu --tenants-max 200',
    `partywall server add eu-own-1 --region eu --dedicated --label disk="nvme"`,
  ],
  needs: needsFleet,
  async run({ args: { server: name }, flags, output, terminal }) {
    const { region, url, label, dedicated, tenantsMax, allowUnencrypted, resetPasswords } = flags
    const adminUrl = serverUrlGiven(terminal, url)
    const labels = { ...keyValues('--label', label), ...(dedicated && { dedicated: true }) }
    const bound = tenantsMax ?? (dedicated ? 1 : undefined)
    const report = await withFleet(terminal, async ({ fleet, record }) => {
      const added = await fleet.servers.add({ name, region, adminUrl, labels, tenantsMax: bound, allowUnencrypted, resetPasswords })
      await record({ action: 'server.add', tenantId: undefined, details: { server: name, region } })
      return added
    })
    tellServer({ output, terminal }, report)
  },
})
