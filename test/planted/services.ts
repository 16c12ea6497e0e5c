/** Bugs in what is asked of an S3 service, and in what is believed of its answers. */
import type { PlantedBug } from './planted-bug.ts';

const answers = 'src/store/objects/s3/answers.ts';
const client = 'src/store/objects/s3/s3-client.ts';
const objects = 'src/store/objects/s3/s3-objects.ts';
const settled = 'src/store/objects/wrappers/settled.ts';
const lostWrite = [
  'packages',
  'lost-vm',
  'lost-time',
  'stuck',
  'claim',
  'owner',
  'right-to-run',
  'one-copy',
  'epochs',
  'liveness',
];

export const serviceBugs: readonly PlantedBug[] = [
  {
    name: 'a condition that a service refuses counts as met',
    edits: [
      {
        file: objects,
        right: "if (answer.status === 412 || this.#isAbsent(answer)) return { result: 'refused' };",
        wrong:
          "if (answer.status === 412) return { result: 'written', etag: 'none' };\n    if (this.#isAbsent(answer)) return { result: 'refused' };",
      },
    ],
    oracles: ['epochs', 'claim', 'owner', 'one-copy', 'right-to-run', 'lost-vm', 'stuck', 'liveness'],
    workload: 'rush',
    faults: ['network_delay', 'http_rate_limited', 'http_server_error', 'http_ack_lost'],
    store: 's3',
  },
  {
    name: 'a record is sent to a service without its condition',
    edits: [
      {
        file: objects,
        right: "await this.#put(key, bytes, { 'if-match': this.#quoted(etag) }, options)",
        wrong: 'await this.#put(key, bytes, {}, options)',
      },
    ],
    oracles: ['epochs', 'claim', 'owner', 'one-copy', 'right-to-run'],
    workload: 'rush',
    faults: ['network_delay', 'http_rate_limited', 'http_server_error', 'http_ack_lost'],
    store: 's3',
  },
  {
    name: "a service's own error counts as success",
    edits: [
      {
        file: client,
        right: 'if (refusal === null || request.accepts?.includes(refusal.status) === true) return answer;',
        wrong:
          'if (refusal === null || request.accepts?.includes(refusal.status) === true) return answer;\n      if (request.isWrite && refusal.status >= 500) return answer;',
      },
      { file: answers, right: "throw wrongAnswer(url, 'no ETag');", wrong: "return 'none';" },
    ],
    oracles: lostWrite,
  },
  {
    name: 'a write that a service did not answer counts as done',
    edits: [
      {
        file: settled,
        right: '      // What surely was not done has been tried again already, where that helps.\n',
        wrong: "      if (isUnsure) return { result: 'written', etag: 'none' };\n",
      },
    ],
    oracles: lostWrite,
  },
  {
    name: 'a silent service is waited for without an end',
    edits: [
      {
        file: 'src/store/objects/s3/deadline.ts',
        right: '() => act.abort(new TooSlow()),',
        wrong: '() => undefined,',
      },
    ],
    oracles: ['liveness'],
  },
];
