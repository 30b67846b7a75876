// The controls to which sentences speak, and what each asks for, in a few words of ours: so that a number is not put to what it does not mean.
//
// SOC 2: AICPA, Trust Services Criteria, 2017, with the points of focus revised in 2022. CC are common to all reports; A and C are
// of the categories availability and confidentiality, and are in a report alone that has these. ISO/IEC 27001:2022, Annex A.

/** By their numbers. */
export const controlMeanings = Object.freeze({
  'SOC 2 CC4.1': 'evaluations show that controls are there and work',
  'SOC 2 CC6.1': 'logical access to what is protected is restricted',
  'SOC 2 CC6.2': 'whoever gets access is registered and authorised before, and removed after',
  'SOC 2 CC6.3': 'access is given, changed and taken by role, with least privilege and segregation of duties',
  'SOC 2 CC6.6': 'access from outside the system’s boundaries is guarded',
  'SOC 2 CC6.7': 'moving and transmitting information is restricted to those who may',
  'SOC 2 CC7.1': 'changes of the configuration and new vulnerabilities are detected',
  'SOC 2 CC7.2': 'the system is monitored for anomalies',
  'SOC 2 A1.1': 'capacity and use are monitored and managed',
  'SOC 2 A1.2': 'backups and what recovery needs are there',
  'SOC 2 A1.3': 'recovery is tested',
  'ISO 27001:2022 A.5.3': 'segregation of duties',
  'ISO 27001:2022 A.5.14': 'information transfer',
  'ISO 27001:2022 A.5.18': 'access rights: given, reviewed, changed, removed',
  'ISO 27001:2022 A.5.31': 'legal, statutory, regulatory and contractual requirements',
  'ISO 27001:2022 A.5.33': 'protection of records from loss, destruction and falsification',
  'ISO 27001:2022 A.5.34': 'privacy and protection of personal data',
  'ISO 27001:2022 A.8.2': 'privileged access rights',
  'ISO 27001:2022 A.8.3': 'information access restriction',
  'ISO 27001:2022 A.8.5': 'secure authentication',
  'ISO 27001:2022 A.8.6': 'capacity management',
  'ISO 27001:2022 A.8.8': 'management of technical vulnerabilities',
  'ISO 27001:2022 A.8.9': 'configuration management',
  'ISO 27001:2022 A.8.13': 'information backup',
  'ISO 27001:2022 A.8.15': 'logging: produced, stored, protected, analysed',
  'ISO 27001:2022 A.8.16': 'monitoring activities',
  'ISO 27001:2022 A.8.24': 'use of cryptography',
  'ISO 27001:2022 A.8.26': 'application security requirements',
  'ISO 27001:2022 A.8.29': 'security testing in development and acceptance',
  'ISO 27001:2022 A.8.31': 'separation of development, test and production environments',
  'ISO 27001:2022 A.8.33': 'test information',
} as const)

/** A control, by framework and number. */
export type Control = keyof typeof controlMeanings
