import { KelpieError } from '../../base/errors.ts';
import { commands } from '../commands.ts';
import type { LeafCommand } from '../command.ts';

/** Commands whose first argument is a VM. */
const vmCommands = [
  'exec',
  'attach',
  'sessions',
  'pause',
  'resume',
  'stop',
  'rm',
  'logs',
  'inspect',
  'snapshot',
  'log',
  'prune',
  'fork',
  'checkpoint',
  'suspend',
  'restore',
  'teleport',
  'who',
  'up',
];
const members: Readonly<Record<string, string>> = {
  image: 'build ls rm',
  store: 'init show hosts recipients rotate',
  key: 'init show trust',
  package: 'ls show rm verify gc prune copy export import',
  daemon: 'status stop restart',
  sim: 'shrink trace',
  completion: 'bash zsh fish',
};

export const completion: LeafCommand = {
  declare: (command) => {
    command
      .argument('<shell>', 'bash, zsh or fish')
      .addHelpText(
        'after',
        '\nExamples:\n  source <(kelpie completion bash)\n  kelpie completion zsh > "${fpath[1]}/_kelpie"\n  kelpie completion fish > ~/.config/fish/completions/kelpie.fish',
      );
  },
  run: async (cli, [shell = '']) => {
    const make = { bash, zsh, fish }[shell];
    if (make === undefined)
      throw new KelpieError('usage', `there is completion for bash, zsh and fish, not for "${shell}".`);
    const script = make();
    await cli.output.result({ shell, script }, script);
    return 0;
  },
};

const names = (): string => commands.map((entry) => entry.name).join(' ');
/** VM names, asked of a daemon that runs; completion never starts one. */
const vmNames = `kelpie ps --no-color 2>/dev/null | awk 'NR > 1 { print $1 }'`;

function bash(): string {
  const cases = Object.entries(members).map(
    ([name, list]) => `    ${name}) COMPREPLY=($(compgen -W "${list}" -- "$word")) ;;`,
  );
  return `# kelpie completion for bash
_kelpie() {
  local word="\${COMP_WORDS[COMP_CWORD]}" command="\${COMP_WORDS[1]:-}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${names()}" -- "$word"))
    return
  fi
  [ "$COMP_CWORD" -eq 2 ] || { COMPREPLY=($(compgen -f -- "$word")); return; }
  case "$command" in
${cases.join('\n')}
    ${vmCommands.join('|')}) COMPREPLY=($(compgen -W "$(${vmNames})" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}
complete -F _kelpie kelpie
`;
}

function zsh(): string {
  const described = commands.map((entry) => `    '${entry.name}:${entry.summary.replaceAll("'", '’')}'`);
  const cases = Object.entries(members).map(([name, list]) => `    ${name}) compadd ${list} ;;`);
  return `#compdef kelpie
_kelpie() {
  local -a commands
  commands=(
${described.join('\n')}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  if (( CURRENT > 3 )); then _files; return; fi
  case "$words[2]" in
${cases.join('\n')}
    ${vmCommands.join('|')}) compadd $(${vmNames}) ;;
    *) _files ;;
  esac
}
compdef _kelpie kelpie
`;
}

function fish(): string {
  const top = commands.map(
    (entry) =>
      `complete -c kelpie -n __fish_use_subcommand -f -a ${entry.name} -d '${entry.summary.replaceAll("'", '’')}'`,
  );
  const groups = Object.entries(members).map(
    ([name, list]) => `complete -c kelpie -n '__fish_seen_subcommand_from ${name}' -f -a '${list}'`,
  );
  return `# kelpie completion for fish
${top.join('\n')}
${groups.join('\n')}
complete -c kelpie -n '__fish_seen_subcommand_from ${vmCommands.join(' ')}' -f -a '(${vmNames.replaceAll("'", String.raw`\'`)})'
`;
}
