// Two programs of Argo CD, as its own cmd/main.go selects them: by the name of the executable.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	repoServer "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	// Authentication of clients of Kubernetes.
	_ "k8s.io/client-go/plugin/pkg/client/auth"
)

func main() {
	command := controller.NewCommand()
	switch name := filepath.Base(os.Args[0]); name {
	case "argocd-application-controller":
	case "argocd-repo-server":
		command = repoServer.NewCommand()
	default:
		fmt.Fprintf(os.Stderr, "%s: not a program of Argo CD\n", name)
		os.Exit(1)
	}
	if err := command.Execute(); err != nil {
		os.Exit(1)
	}
}
