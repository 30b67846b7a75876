// Provisioners: who makes servers for tenants who have one of their own.

export type {
  DedicatedServers,
  Provisioner,
  ProvisionerProgress,
  ProvisionerRun,
  ServerConnection,
  ServerRequest,
} from '../core/provisioner.ts'
export { type CommandOptions, command, exitCodes } from './command.ts'
export { type DedicatedServerOptions, dedicatedServer } from './dedicated-server.ts'
export { type EmbeddedProvisioner, type EmbeddedProvisionerOptions, embedded } from './embedded.ts'
export { type InventoryOptions, inventory } from './inventory.ts'
