// Which addresses are the public's. Whoever lets a tenant name an address to send to lets it name its own network, its neighbours and its
// cloud's metadata (OWASP: server-side request forgery), so what is not known to be public is refused. By the registries of IANA for special
// addresses, IPv4 and IPv6 (RFC 6890), of 24 November 2026.

import { BlockList, isIP } from 'node:net'
import { ConfigurationError } from '../../errors.ts'

/** Within IPv4. The last one is where a cloud's own services answer to machines in it. */
const special4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '168.63.129.16/32',
]
/** All of IPv6 that is routed is in here; v4-mapped (::ffff:0:0/96), NAT64 (64:ff9b::/96), unique local and link-local ones are not. */
const global6 = ['2000::/3']
/** Within it: IETF's (Teredo, ORCHID), documentation, 6to4, which leads to any IPv4. */
const special6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

const notPublic4 = listOf(special4)
const routed6 = listOf(global6)
const notPublic6 = listOf(special6)

/** A list of networks: `10.0.0.0/8`, `fd00::/8`. @throws {ConfigurationError} for one that is none. */
export function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', prefix = ''] = network.split('/')
    const version = isIP(address)
    const bits = /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1
    if (version === 0 || bits < 0 || bits > (version === 4 ? 32 : 128)) {
      throw new ConfigurationError(`${JSON.stringify(network)} is no network, as "10.0.0.0/8".`)
    }
    list.addSubnet(address, bits, version === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}

/** May something be sent to this address? Only in the form in which it is connected to. */
export function isAllowedAddress(address: string, allowed: BlockList): boolean {
  const version = isIP(address)
  // A zone (fe80::1%eth0) is of this machine's own links.
  if (version === 0 || address.includes('%')) return false
  const family = version === 4 ? 'ipv4' : 'ipv6'
  if (version === 4) return !notPublic4.check(address, family) || allowed.check(address, family)
  // What is of IPv4 in the clothes of IPv6 is refused even when its IPv4 is allowed: there is a plainer way to say it.
  if (isMapped(address)) return false
  return (routed6.check(address, family) && !notPublic6.check(address, family)) || allowed.check(address, family)
}

const mapped = listOf(['::ffff:0:0/96'])

function isMapped(address: string): boolean {
  return mapped.check(address, 'ipv6')
}
