# Completion of jobdeck in bash. What jobdeck offers is quoted already.
_jobdeck_complete() {
    local answer='' line
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -z $answer ]]; then answer=$line; else COMPREPLY+=("$line"); fi
    done < <(_JOBDECK_COMPLETE=bash "${1/#\~\//$HOME/}" "${COMP_LINE:0:COMP_POINT}" "$2" </dev/null 2>/dev/null)
    case $answer in
        nospace) compopt -o nospace ;;
        files) compopt -o bashdefault -o default ;;
        folders) compopt -o filenames -o dirnames ;;
        programs)
            compopt -o filenames
            while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -c -- "$2")
            ;;
        command\ *) _jobdeck_complete_command "${answer#command }" ;;
    esac
}

# Complete the command whose first word begins at this character of the line, as bash-completion would, or else files.
_jobdeck_complete_command() {
    local at=0 word=0 complete='' each
    for each in _comp_command_offset _command_offset; do
        if declare -F "$each" >/dev/null; then complete=$each; break; fi
    done
    if [[ -z $complete ]]; then
        compopt -o bashdefault -o default
        return
    fi
    while ((at < $1)); do
        while [[ ${COMP_LINE:at:${#COMP_WORDS[word]}} != "${COMP_WORDS[word]}" ]] && ((at < $1)); do ((at += 1)); done
        ((at += ${#COMP_WORDS[word]}, word += 1))
        while [[ ${COMP_LINE:at:1} == [[:blank:]] ]]; do ((at += 1)); done
    done
    "$complete" "$word"
}

complete -o nosort -F _jobdeck_complete jobdeck 2>/dev/null || complete -F _jobdeck_complete jobdeck
